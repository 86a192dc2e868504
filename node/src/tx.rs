//! Sends transactions from one account: dry run, nonce, fees, signature, resubmission, receipt.
//!
//! A call that would revert is never sent. Nonces are handed out one at a time, so a failure to send leaves no gap. A
//! transaction that is not mined in time is sent again with the same nonce and higher fees, so at most one is mined. One
//! that a reorganization drops is sent again, as nodes do: what was told to be mined is mined again, before what follows.
//! What a killed service had sent is looked after by the next one, where it is written down ([`TxManager::resume`]).
//! Calls with blobs and without never wait in a pool at once, which nodes refuse.

mod book;
mod call;
mod error;
mod lane;
mod log;
mod manager;
mod policy;
mod tend;

pub use book::Earlier;
pub use call::{Call, MOST_BLOBS};
pub use error::TxError;
pub use manager::TxManager;
pub use policy::TxPolicy;
