//! The executors that are connected.

use crate::ask::Asks;
use alloy::primitives::{Address, B256, U256};
use assay_bindings::abi::SignedAsk;
use assay_proto::v1::{ToExecutor, to_executor};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tonic::Status;

/// What goes to an executor's stream.
pub type Outgoing = mpsc::Sender<Result<ToExecutor, Status>>;

/// One connected executor.
#[derive(Debug)]
pub struct Session {
    /// Its account.
    pub executor: Address,
    /// Models that it serves.
    pub models: Vec<B256>,
    /// Requests that it takes at once.
    pub capacity: usize,
    /// Order of connection: ties go to the one that came first.
    pub order: u64,
    /// Free stake when last looked, in wei.
    pub free_stake: U256,
    /// Its asks on chain.
    pub asks: Asks,
    /// Asks that it has signed, checked, for askers to carry.
    pub signed_asks: Vec<SignedAsk>,
    /// Unix milliseconds until which it gets no work (it failed lately).
    pub resting_until_ms: u64,
    out: Outgoing,
}

impl Session {
    /// Sends a message; `false` if the connection can't take it (it is gone, or so slow that it counts as gone).
    pub fn send(&self, message: to_executor::Message) -> bool {
        self.out
            .try_send(Ok(ToExecutor {
                message: Some(message),
            }))
            .is_ok()
    }
}

/// Everyone connected.
#[derive(Debug, Default)]
pub struct Sessions {
    all: BTreeMap<Address, Session>,
    next: u64,
}

/// What an executor said of itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Its account, proven.
    pub executor: Address,
    /// Models that it serves.
    pub models: Vec<B256>,
    /// Requests that it takes at once.
    pub capacity: usize,
    /// Free stake, in wei.
    pub free_stake: U256,
}

impl Sessions {
    /// Adds a connection (a second one of the same executor replaces the first); returns its ticket.
    pub fn join(&mut self, who: Introduction, out: Outgoing) -> u64 {
        self.next += 1;
        let Introduction {
            executor,
            models,
            capacity,
            free_stake,
        } = who;
        let (order, capacity) = (self.next, capacity.clamp(1, 1_000));
        let session = Session {
            executor,
            models,
            capacity,
            order,
            free_stake,
            asks: Asks::default(),
            signed_asks: Vec::new(),
            resting_until_ms: 0,
            out,
        };
        self.all.insert(executor, session);
        order
    }

    /// Ends the connection with this ticket; `false` if another one has taken its place.
    pub fn leave(&mut self, executor: Address, ticket: u64) -> bool {
        let mine = self.all.get(&executor).is_some_and(|s| s.order == ticket);
        if mine {
            self.all.remove(&executor);
        }
        mine
    }

    /// The connection of `executor`.
    pub fn get(&self, executor: &Address) -> Option<&Session> {
        self.all.get(executor)
    }

    /// The connection of `executor`, to be changed.
    pub fn get_mut(&mut self, executor: &Address) -> Option<&mut Session> {
        self.all.get_mut(executor)
    }

    /// All connections, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.all.values_mut()
    }

    /// All connections.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
