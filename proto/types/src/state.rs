//! The machine state's header and its root (`docs/encoding.md`, section 2).

use crate::hash::{Hash, keccak256};
use crate::params::{HEADER_BYTES, TAG_STATE};

/// Root committing to one whole machine state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct StateRoot(pub Hash);

/// Where a machine stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Executes an instruction in the next step.
    Running,
    /// Between two calls of `step()`.
    Yielded,
    /// Done, with this exit code.
    Halted(u32),
    /// Failed: unreachable, bad address, malformed code, out of steps.
    Trapped,
}

/// Everything a state root commits to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Where the machine stands.
    pub status: Status,
    /// Next instruction, in instructions.
    pub pc: u32,
    /// Frame base, in cells.
    pub fp: u32,
    /// Linear memory size, in 64 KiB pages.
    pub pages: u32,
    /// Root of linear memory.
    pub memory: Hash,
    /// Root of the register stack.
    pub stack: Hash,
    /// Root of globals, table sizes and dropped flags.
    pub globals: Hash,
    /// Root of the tables.
    pub table: Hash,
}

impl Header {
    /// A fixpoint: `Halted` or `Trapped`, every other field zero.
    pub const fn terminal(status: Status) -> Header {
        let z = Hash::ZERO;
        Header {
            status,
            pc: 0,
            fp: 0,
            pages: 0,
            memory: z,
            stack: z,
            globals: z,
            table: z,
        }
    }

    /// The 145 bytes that are hashed.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let (status, code) = match self.status {
            Status::Running => (1u8, 0),
            Status::Yielded => (2, 0),
            Status::Halted(code) => (3, code),
            Status::Trapped => (4, 0),
        };
        let mut out = [0; HEADER_BYTES];
        out[0] = status;
        for (i, word) in [code, self.pc, self.fp, self.pages].into_iter().enumerate() {
            out[1 + 4 * i..5 + 4 * i].copy_from_slice(&word.to_be_bytes());
        }
        for (i, root) in [self.memory, self.stack, self.globals, self.table]
            .iter()
            .enumerate()
        {
            out[17 + 32 * i..49 + 32 * i].copy_from_slice(&root.0);
        }
        out
    }

    /// Inverse of [`Header::encode`]; `None` unless `bytes` is the encoding of a state: re-encoding gives `bytes`, and
    /// Halted or Trapped keeps nothing else.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let word = |i: usize| {
            u32::from_be_bytes([
                bytes[1 + 4 * i],
                bytes[2 + 4 * i],
                bytes[3 + 4 * i],
                bytes[4 + 4 * i],
            ])
        };
        let root = |i: usize| {
            let mut h = [0; 32];
            h.copy_from_slice(&bytes[17 + 32 * i..49 + 32 * i]);
            Hash(h)
        };
        let status = match bytes[0] {
            1 => Status::Running,
            2 => Status::Yielded,
            3 => Status::Halted(word(0)),
            4 => Status::Trapped,
            _ => return None,
        };
        let header = Header {
            status,
            pc: word(1),
            fp: word(2),
            pages: word(3),
            memory: root(0),
            stack: root(1),
            globals: root(2),
            table: root(3),
        };
        let terminal = matches!(status, Status::Halted(_) | Status::Trapped);
        let keeps_nothing = header == Header::terminal(status);
        (header.encode() == *bytes && (!terminal || keeps_nothing)).then_some(header)
    }

    /// `keccak(0x02 ‖ header)`.
    pub fn root(&self) -> StateRoot {
        StateRoot(keccak256(&[&[TAG_STATE], &self.encode()]))
    }
}

/// Root of `Halted(code)`.
pub fn halted_root(code: u32) -> StateRoot {
    Header::terminal(Status::Halted(code)).root()
}

/// Root of `Trapped`.
pub fn trapped_root() -> StateRoot {
    Header::terminal(Status::Trapped).root()
}
