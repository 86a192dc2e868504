//! gRPC messages to and from the contracts' structs.

use crate::entry::Promise;
use crate::quote::Inquiry;
use crate::segment::Offer;
use alloy::primitives::aliases::{U40, U96};
use alloy::primitives::{Address, B256, U256};
use assay_bindings::abi::SignedAsk;
use assay_bindings::{RequestParams, SignedRequest};
use assay_proto::v1;

/// A field that does not fit its type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} must be {expected}")]
pub struct BadField {
    field: &'static str,
    expected: &'static str,
}

/// 32 bytes.
pub fn word(field: &'static str, bytes: &[u8]) -> Result<B256, BadField> {
    B256::try_from(bytes).map_err(|_| BadField {
        field,
        expected: "32 bytes",
    })
}

/// 20 bytes.
pub fn address(field: &'static str, bytes: &[u8]) -> Result<Address, BadField> {
    Address::try_from(bytes).map_err(|_| BadField {
        field,
        expected: "20 bytes",
    })
}

/// 20 bytes, or none for the zero address.
fn optional_address(field: &'static str, bytes: &[u8]) -> Result<Address, BadField> {
    if bytes.is_empty() {
        Ok(Address::ZERO)
    } else {
        address(field, bytes)
    }
}

fn wei(field: &'static str, text: &str) -> Result<u128, BadField> {
    match text {
        "" => Ok(0),
        _ => text.parse().map_err(|_| BadField {
            field,
            expected: "wei as a decimal number below 2^128",
        }),
    }
}

/// The signed request of a message.
pub fn signed_request(m: &v1::SignedRequest) -> Result<SignedRequest, BadField> {
    let missing = BadField {
        field: "params",
        expected: "set",
    };
    let p = m.params.as_ref().ok_or(missing)?;
    let delivery = u8::try_from(p.delivery).ok().filter(|d| *d <= 1);
    Ok(SignedRequest {
        payer: address("payer", &m.payer)?,
        nonce: m.nonce,
        entropy: word("entropy", &m.entropy)?,
        params: RequestParams {
            modelId: word("params.model_id", &p.model_id)?,
            callback: optional_address("params.callback", &p.callback)?,
            callbackGas: p.callback_gas,
            delivery: delivery.ok_or(BadField {
                field: "params.delivery",
                expected: "0 or 1",
            })?,
            tolerant: p.tolerant,
            minBond: wei("params.min_bond_wei", &p.min_bond_wei)?,
            fee: wei("params.fee_wei", &p.fee_wei)?,
            callbackFee: wei("params.callback_fee_wei", &p.callback_fee_wei)?,
            refundTo: address("params.refund_to", &p.refund_to)?,
            inclusionDeadline: p.inclusion_deadline,
        },
        payload: m.payload.clone().into(),
        userData: m.user_data.clone().into(),
        signature: m.signature.clone().into(),
    })
}

/// The message of a signed request.
pub fn signed_request_message(s: &SignedRequest) -> v1::SignedRequest {
    let p = &s.params;
    v1::SignedRequest {
        payer: s.payer.to_vec(),
        nonce: s.nonce,
        entropy: s.entropy.to_vec(),
        params: Some(v1::RequestParams {
            model_id: p.modelId.to_vec(),
            callback: if p.callback.is_zero() {
                Vec::new()
            } else {
                p.callback.to_vec()
            },
            callback_gas: p.callbackGas,
            delivery: p.delivery.into(),
            tolerant: p.tolerant,
            min_bond_wei: p.minBond.to_string(),
            fee_wei: p.fee.to_string(),
            callback_fee_wei: p.callbackFee.to_string(),
            refund_to: p.refundTo.to_vec(),
            inclusion_deadline: p.inclusionDeadline,
        }),
        payload: s.payload.to_vec(),
        user_data: s.userData.to_vec(),
        signature: s.signature.to_vec(),
    }
}

fn price(field: &'static str, text: &str) -> Result<U96, BadField> {
    match text.parse::<u128>() {
        Ok(price) if price >> 96 == 0 => Ok(U96::from(price)),
        _ => Err(BadField {
            field,
            expected: "a decimal number below 2^96",
        }),
    }
}

/// The signed ask of a message; whether it is signed is another question.
pub fn signed_ask(m: &v1::SignedAsk) -> Result<SignedAsk, BadField> {
    if m.valid_until >> 40 != 0 {
        return Err(BadField {
            field: "valid_until",
            expected: "below 2^40",
        });
    }
    let hardware = u8::try_from(m.hardware).map_err(|_| BadField {
        field: "hardware",
        expected: "below 256",
    })?;
    Ok(SignedAsk {
        executor: address("executor", &m.executor)?,
        modelId: word("model_id", &m.model_id)?,
        token: optional_address("token", &m.token)?,
        hardware,
        capacity: m.capacity,
        promptPrice: price("prompt_price", &m.prompt_price)?,
        tokenPrice: price("token_price", &m.token_price)?,
        nonce: m.nonce,
        validUntil: U40::from(m.valid_until),
        signature: m.signature.clone().into(),
    })
}

/// The promise of a message, and on what; whether it is signed is another question.
pub fn promise(m: &v1::Promise) -> Result<(B256, Promise), BadField> {
    let promise = Promise {
        executor: address("executor", &m.executor)?,
        deadline: m.deadline,
        penalty: wei("penalty", &m.penalty)?,
        signature: m.signature.clone().into(),
    };
    Ok((word("request_id", &m.request_id)?, promise))
}

/// The message of a promise on request `id`.
pub fn promise_message(id: &B256, promise: &Promise) -> v1::Promise {
    v1::Promise {
        request_id: id.to_vec(),
        executor: promise.executor.to_vec(),
        deadline: promise.deadline,
        penalty: promise.penalty.to_string(),
        signature: promise.signature.to_vec(),
    }
}

/// The message of a signed ask.
pub fn signed_ask_message(ask: &SignedAsk) -> v1::SignedAsk {
    v1::SignedAsk {
        executor: ask.executor.to_vec(),
        model_id: ask.modelId.to_vec(),
        token: ask.token.to_vec(),
        prompt_price: ask.promptPrice.to_string(),
        token_price: ask.tokenPrice.to_string(),
        nonce: ask.nonce,
        valid_until: ask.validUntil.to(),
        signature: ask.signature.to_vec(),
        hardware: ask.hardware.into(),
        capacity: ask.capacity,
    }
}

/// What a quote is asked for.
pub fn inquiry(m: &v1::QuoteRequest) -> Result<Inquiry, BadField> {
    Ok(Inquiry {
        model: word("model_id", &m.model_id)?,
        payload_length: m.payload_length,
        max_tokens: m.max_tokens,
        token: optional_address("token", &m.token)?,
        bond: U256::from(wei("min_bond_wei", &m.min_bond_wei)?),
    })
}

/// The segment of a message from `executor`.
pub fn offer(executor: Address, m: &v1::SegmentOffer) -> Result<Offer, BadField> {
    let results = m.results.iter().map(|r| {
        Ok((
            word("results.request_id", &r.request_id)?,
            r.output.clone().into(),
        ))
    });
    Ok(Offer {
        executor,
        number: m.number,
        expiry: m.expiry,
        results: results.collect::<Result<_, BadField>>()?,
        signature: m.signature.clone().into(),
        in_blob: m.in_blob,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SignedRequest {
        let params = RequestParams {
            modelId: B256::repeat_byte(1),
            callbackGas: 5,
            delivery: 1,
            fee: u128::MAX,
            refundTo: Address::repeat_byte(3),
            inclusionDeadline: 99,
            ..Default::default()
        };
        SignedRequest {
            payer: Address::repeat_byte(2),
            nonce: u64::MAX,
            entropy: B256::repeat_byte(4),
            params,
            payload: vec![1, 2].into(),
            userData: vec![].into(),
            signature: vec![7; 65].into(),
        }
    }

    #[test]
    fn signed_request_survives_the_wire() {
        assert_eq!(
            signed_request(&signed_request_message(&sample())),
            Ok(sample())
        );
    }

    #[test]
    fn signed_ask_survives_the_wire() {
        let ask = SignedAsk {
            executor: Address::repeat_byte(1),
            modelId: B256::repeat_byte(2),
            token: Address::repeat_byte(3),
            hardware: u8::MAX,
            capacity: u32::MAX - 1,
            promptPrice: U96::MAX,
            tokenPrice: U96::from(5),
            nonce: u64::MAX,
            validUntil: U40::MAX,
            signature: vec![7; 65].into(),
        };
        let message = signed_ask_message(&ask);
        assert_eq!(signed_ask(&message), Ok(ask));
        let spoil = |f: fn(&mut v1::SignedAsk)| {
            let mut m = message.clone();
            f(&mut m);
            signed_ask(&m).expect_err("spoiled").to_string()
        };
        assert!(spoil(|m| m.prompt_price = format!("{}0", U96::MAX)).contains("prompt_price"));
        assert!(spoil(|m| m.hardware = 256).contains("hardware"));
        assert!(spoil(|m| m.valid_until = 1 << 40).contains("valid_until"));
    }

    #[test]
    fn bad_fields_are_named() {
        let spoil = |f: fn(&mut v1::SignedRequest)| {
            let mut m = signed_request_message(&sample());
            f(&mut m);
            signed_request(&m).expect_err("spoiled").to_string()
        };
        assert!(spoil(|m| m.payer.truncate(3)).contains("payer"));
        assert!(spoil(|m| m.params = None).contains("params"));
        assert!(spoil(|m| m.params.as_mut().expect("set").delivery = 2).contains("delivery"));
        assert!(
            spoil(|m| m.params.as_mut().expect("set").fee_wei = "-1".into()).contains("fee_wei")
        );
    }
}
