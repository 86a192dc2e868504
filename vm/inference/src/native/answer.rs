//! An answer while it grows: the program's own stop rule over the program's own state.

use super::host::NativeHost;
use crate::error::NonFinite;
use crate::layout::{TEXT, TEXT_LEN};
use crate::text::{Taken, take};
use assay_types::output::{ErrorCode, Output};

/// Ids taken so far, and the text they spell.
#[derive(Clone)]
pub struct Answer {
    host: NativeHost,
    ids: Vec<u32>,
}

impl Answer {
    pub(super) fn new(host: NativeHost) -> Answer {
        Answer {
            host,
            ids: Vec::new(),
        }
    }

    /// Takes the next right id (below the vocabulary's size) and says whether the answer goes on.
    pub fn take(&mut self, id: u32) -> Taken {
        let taken = take(&mut self.host, id);
        if taken != Taken::Refused {
            self.ids.push(id);
        }
        taken
    }

    /// Ids taken.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// What they spell, cut by a stop string.
    pub fn text(&self) -> &[u8] {
        self.host.view(TEXT, self.host.get(TEXT_LEN))
    }

    /// The output, once the answer is over.
    pub fn finish(self) -> Output {
        let text = self.text().to_vec();
        Output::Answer {
            ids: self.ids,
            text,
        }
    }

    /// The output where the next position went non-finite.
    pub fn fail(self, _: NonFinite) -> Output {
        Output::Error {
            code: ErrorCode::NonFinite,
            ids: self.ids,
        }
    }
}
