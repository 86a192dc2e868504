//! Executors' promises, kept for whoever asked.

use crate::support::{FIRST, Peer, SECOND, World, signer};
use alloy::primitives::{B256, U256};
use alloy::signers::SignerSync;
use alloy::sol_types::SolCall;
use assay_bindings::abi::LivenessPenalty;
use assay_bindings::{Request, Staking, sign};
use assay_node::tx::{Call, TxError};
use assay_proto::v1::{self, GetRequestRequest, from_executor};
use serde_json::json;
use std::time::{Duration, Instant};

const PENALTY: u128 = 300_000_000_000_000_000;

fn promise(world: &World, who: usize, id: B256, deadline: u64) -> v1::Promise {
    let liveness = world.contracts.liveness.expect("deployed");
    let digest = sign::promise_digest(31_337, liveness, id, deadline, PENALTY);
    let signature = signer(who).sign_hash_sync(&digest).expect("signs");
    v1::Promise {
        request_id: id.to_vec(),
        executor: signer(who).address().to_vec(),
        deadline,
        penalty: PENALTY.to_string(),
        signature: signature.as_bytes().to_vec(),
    }
}

async fn penalize(world: &World, request: &Request, held: &v1::Promise) -> Result<(), TxError> {
    let call = LivenessPenalty::penalizeCall {
        req: request.into(),
        given: LivenessPenalty::Promise {
            requestId: B256::from_slice(&held.request_id),
            deadline: held.deadline,
            penalty: held.penalty.parse().expect("wei"),
        },
        signature: held.signature.clone().into(),
    };
    let liveness = world.contracts.liveness.expect("deployed");
    let call = Call::new("penalize", liveness, call.abi_encode());
    world.user.send(call).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_kept_for_the_asker_who_has_it_taken_once_it_is_broken() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Will you?").await;
    let (given, request) = peer.assignment().await;
    assert_eq!(given, id);
    let deadline = request.params.inclusionDeadline + 30;
    // Neither somebody else's nor one on a question that it was not given.
    let others = promise(&world, SECOND, id, deadline);
    peer.say(from_executor::Message::Promise(others)).await;
    let strange = promise(&world, FIRST, B256::repeat_byte(9), deadline);
    peer.say(from_executor::Message::Promise(strange)).await;
    world.until_log("was not given to it").await;
    assert!(world.log().contains("not signed by this executor"));
    let good = promise(&world, FIRST, id, deadline);
    peer.say(from_executor::Message::Promise(good.clone()))
        .await;
    let start = Instant::now();
    let held = loop {
        let asked = GetRequestRequest {
            request_id: id.to_vec(),
        };
        let status = client.get_request(asked).await.expect("known").into_inner();
        if let Some(held) = status.promises.first() {
            assert_eq!(status.promises.len(), 1);
            break held.clone();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(held, good);

    let early = penalize(&world, &request, &held)
        .await
        .expect_err("not broken yet");
    assert_eq!(early.revert_name(), Some("NotYetBroken"), "{early}");
    world
        .raw("evm_setNextBlockTimestamp", json!([deadline + 1]))
        .await;
    world.raw("evm_mine", json!([])).await;
    penalize(&world, &request, &held).await.expect("broken");
    let staking = Staking::new(world.contracts.staking, world.chain.provider());
    let account = staking
        .accounts(signer(FIRST).address())
        .call()
        .await
        .expect("asked");
    assert_eq!(
        U256::from(account.staked),
        U256::from(5 * crate::support::ETHER - PENALTY)
    );
    let credit = staking
        .credit(request.params.refundTo)
        .call()
        .await
        .expect("asked");
    assert_eq!(
        credit,
        U256::from(PENALTY / 2),
        "half of it; the rest is burned"
    );
    let again = penalize(&world, &request, &held).await.expect_err("once");
    assert_eq!(again.revert_name(), Some("NothingToTake"), "{again}");
}
