//! Sends transactions from one account: dry run, nonce, fees, signature, resubmission, receipt.
//!
//! A call that would revert is never sent. Nonces are handed out one at a time, so a failure to send leaves no gap. A
//! transaction that is not mined in time is sent again with the same nonce and higher fees, so at most one is mined.

mod call;
mod error;
mod manager;
mod policy;

pub use call::Call;
pub use error::TxError;
pub use manager::TxManager;
pub use policy::TxPolicy;
