//! A request as the inbox tells of it, and the callbacks that it is owed.

use alloy::primitives::{B256, Bytes};
use assay_bindings::Request;
use assay_bindings::hashes::seed_block;

/// The states of a request (`RequestState` in `contracts/src/interfaces/Types.sol`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestState {
    /// Unknown to the inbox.
    None,
    /// Waits for a claim.
    Open,
    /// Has a standing claim.
    Claimed,
    /// Its claim is final.
    Final,
    /// Nobody answered.
    Refunded,
}

impl RequestState {
    pub(crate) fn from_abi(state: u8) -> RequestState {
        match state {
            1 => RequestState::Open,
            2 => RequestState::Claimed,
            3 => RequestState::Final,
            4 => RequestState::Refunded,
            _ => RequestState::None,
        }
    }
}

/// How far a callback is (`Callback` in `Types.sol`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callback {
    /// Not made.
    None,
    /// To be made.
    Owed,
    /// Made; the consumer reverted.
    Failed,
    /// Made.
    Done,
}

impl Callback {
    pub(crate) fn from_abi(progress: u8) -> Callback {
        match progress {
            1 => Callback::Owed,
            2 => Callback::Failed,
            3 => Callback::Done,
            _ => Callback::None,
        }
    }
}

/// The three callbacks of a consumer (`IInbox.Mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The answer.
    Result,
    /// The answer heard before is final.
    Finality,
    /// The answer heard before was a lie.
    Overturn,
}

impl Mode {
    pub(crate) fn from_abi(mode: u8) -> Mode {
        match mode {
            0 => Mode::Result,
            1 => Mode::Finality,
            _ => Mode::Overturn,
        }
    }
}

/// A request and how far it is.
#[derive(Clone, Debug)]
pub struct Ask {
    /// As its id commits to it.
    pub request: Request,
    /// What is asked.
    pub payload: Bytes,
    /// Handed back to the consumer.
    pub user_data: Bytes,
    /// What its seed is made of; `None` until the inbox has recorded it.
    pub entropy: Option<B256>,
    /// Its state.
    pub state: RequestState,
    result: Callback,
    finality: Callback,
    overturn: Callback,
    /// Halves of the callback fee that were paid out, as bits.
    halves_paid: u8,
}

impl Ask {
    /// A request as it is made.
    pub fn open(request: Request, payload: Bytes, user_data: Bytes) -> Ask {
        let none = Callback::None;
        let state = RequestState::Open;
        Ask {
            entropy: seed_block(&request).is_none().then_some(request.entropy),
            request,
            payload,
            user_data,
            state,
            result: none,
            finality: none,
            overturn: none,
            halves_paid: 0,
        }
    }

    /// The callbacks that are due and were not tried yet, in the order in which they are made. Mirrors `Inbox._due`.
    pub fn due(&self) -> Vec<Mode> {
        let is_final = self.state == RequestState::Final;
        let optimistic = self.request.params.delivery == OPTIMISTIC;
        let mut out = Vec::new();
        if self.request.params.callback.is_zero() {
            return out;
        }
        if self.overturn == Callback::Owed && self.result != Callback::Done {
            out.push(Mode::Overturn);
        }
        let early = optimistic && self.state == RequestState::Claimed;
        if (is_final || early) && self.result == Callback::None && self.overturn != Callback::Owed {
            out.push(Mode::Result);
        }
        if optimistic
            && is_final
            && self.result == Callback::Done
            && self.finality == Callback::None
        {
            out.push(Mode::Finality);
        }
        out
    }

    /// Wei of the callback fee that whoever makes the callback of `mode` gets. Mirrors `Inbox.beginCallback`.
    pub fn fee_of(&self, mode: Mode) -> u128 {
        let (halves, fee) = (self.halves(mode), self.request.params.callbackFee);
        let half = |bit: u8, amount: u128| if halves & bit != 0 { amount } else { 0 };
        half(FIRST_HALF, fee / 2) + half(SECOND_HALF, fee - fee / 2)
    }

    /// Halves of the fee that making the callback of `mode` pays out now.
    fn halves(&self, mode: Mode) -> u8 {
        let all = match mode {
            _ if self.request.params.delivery != OPTIMISTIC => FIRST_HALF | SECOND_HALF,
            Mode::Result => FIRST_HALF,
            Mode::Finality | Mode::Overturn => SECOND_HALF,
        };
        all & !self.halves_paid
    }

    /// A callback got this far. It is marked done before it is made, and paid for then.
    pub(crate) fn progress(&mut self, mode: Mode, progress: Callback) {
        if progress == Callback::Done {
            self.halves_paid |= self.halves(mode);
        }
        *self.callback_mut(mode) = progress;
    }

    /// A rejected claim takes its result with it; a consumer that heard it must hear that too. Mirrors `Inbox.reopen`.
    pub(crate) fn change(&mut self, to: RequestState) {
        if self.state == RequestState::Claimed && to == RequestState::Open {
            if self.result == Callback::Done {
                self.overturn = Callback::Owed;
            }
            self.result = Callback::None;
        }
        self.state = to;
    }

    fn callback_mut(&mut self, mode: Mode) -> &mut Callback {
        match mode {
            Mode::Result => &mut self.result,
            Mode::Finality => &mut self.finality,
            Mode::Overturn => &mut self.overturn,
        }
    }
}

/// `Delivery.Optimistic`.
const OPTIMISTIC: u8 = 1;
const FIRST_HALF: u8 = 1;
const SECOND_HALF: u8 = 2;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloy::primitives::Address;

    pub(crate) fn ask(delivery: u8) -> Ask {
        let mut request = Request::default();
        request.params.callback = Address::repeat_byte(1);
        (request.params.delivery, request.params.callbackFee) = (delivery, 101);
        Ask::open(request, Bytes::new(), Bytes::new())
    }

    #[test]
    fn each_half_of_the_callback_fee_is_paid_once() {
        let mut one = ask(0);
        assert_eq!(one.fee_of(Mode::Result), 101);
        one.progress(Mode::Result, Callback::Done);
        one.progress(Mode::Result, Callback::Failed);
        assert_eq!(one.fee_of(Mode::Result), 0, "a second try is not paid");

        let mut two = ask(OPTIMISTIC);
        assert_eq!(
            (two.fee_of(Mode::Result), two.fee_of(Mode::Finality)),
            (50, 51)
        );
        two.progress(Mode::Result, Callback::Done);
        assert_eq!(
            (two.fee_of(Mode::Result), two.fee_of(Mode::Finality)),
            (0, 51)
        );
        // An overturn takes the second half; what comes after it has none left.
        assert_eq!(two.fee_of(Mode::Overturn), 51);
        two.progress(Mode::Overturn, Callback::Done);
        assert_eq!(
            (two.fee_of(Mode::Result), two.fee_of(Mode::Finality)),
            (0, 0)
        );
    }
}
