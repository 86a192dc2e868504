//! Messages between the executor and its llama.cpp child: `length u32 LE ‖ tag u8 ‖ fields`, integers u32 LE.
//!
//! The parent always names the whole sequence, so a fresh child can answer any request: nothing is lost with a dead one.
//! Requests name a slot, one of the sequences that the child works on at once; a slot has one request at a time, and the
//! replies of different slots come in any order.

use std::io::{self, Read, Write};

/// Longest accepted message, in bytes: far above a context of 2^20 ids.
const MAX_MESSAGE: u32 = 16 << 20;

/// What the parent asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Draft greedily up to `n` ids after `sequence`.
    Draft {
        /// The slot.
        slot: u32,
        /// Ids before the draft; at least one.
        sequence: Vec<u32>,
        /// Most ids to draft.
        n: u32,
    },
}

/// What the child answers. It speaks first, with `Ready` or `Failed`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The model is loaded.
    Ready {
        /// Ids in the vocabulary.
        vocab: u32,
        /// Tokens that the cache holds.
        context: u32,
    },
    /// Drafted ids, at most as many as asked: the draft ends early after an end-of-generation id or a full cache.
    Drafted {
        /// The slot.
        slot: u32,
        /// The draft.
        ids: Vec<u32>,
    },
    /// llama.cpp refused, with its reason.
    Failed(String),
}

impl Request {
    /// Writes the message and flushes.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let Request::Draft { slot, sequence, n } = self;
        let mut body = vec![0u8];
        body.extend_from_slice(&slot.to_le_bytes());
        body.extend_from_slice(&n.to_le_bytes());
        put_ids(&mut body, sequence);
        write_frame(to, &body)
    }

    /// Reads one message; `None` at the end of the stream.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
        let Some(body) = read_frame(from)? else {
            return Ok(None);
        };
        let mut fields = Fields(&body);
        match fields.u8()? {
            0 => {
                let (slot, n) = (fields.u32()?, fields.u32()?);
                Ok(Some(Request::Draft {
                    slot,
                    sequence: fields.ids()?,
                    n,
                }))
            }
            tag => Err(bad(format!("unknown request tag {tag}"))),
        }
    }
}

impl Reply {
    /// Writes the message and flushes.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut body = Vec::new();
        match self {
            Reply::Ready { vocab, context } => {
                body.push(0);
                body.extend_from_slice(&vocab.to_le_bytes());
                body.extend_from_slice(&context.to_le_bytes());
            }
            Reply::Drafted { slot, ids } => {
                body.push(1);
                body.extend_from_slice(&slot.to_le_bytes());
                put_ids(&mut body, ids);
            }
            Reply::Failed(reason) => {
                body.push(2);
                body.extend_from_slice(reason.as_bytes());
            }
        }
        write_frame(to, &body)
    }

    /// Reads one message; the end of the stream is an error, for the child speaks until it is asked no more.
    pub fn read(from: &mut impl Read) -> io::Result<Reply> {
        let body =
            read_frame(from)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let mut fields = Fields(&body);
        match fields.u8()? {
            0 => Ok(Reply::Ready {
                vocab: fields.u32()?,
                context: fields.u32()?,
            }),
            1 => Ok(Reply::Drafted {
                slot: fields.u32()?,
                ids: fields.ids()?,
            }),
            2 => Ok(Reply::Failed(
                String::from_utf8_lossy(fields.0).into_owned(),
            )),
            tag => Err(bad(format!("unknown reply tag {tag}"))),
        }
    }
}

fn put_ids(body: &mut Vec<u8>, ids: &[u32]) {
    ids.iter()
        .for_each(|id| body.extend_from_slice(&id.to_le_bytes()));
}

fn write_frame(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).ok().filter(|n| *n <= MAX_MESSAGE);
    let length = length.ok_or_else(|| bad(format!("a message of {} bytes", body.len())))?;
    to.write_all(&[&length.to_le_bytes(), body].concat())?;
    to.flush()
}

fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE {
        return Err(bad(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The unread rest of a message's body.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u8(&mut self) -> io::Result<u8> {
        let (first, rest) = self
            .0
            .split_first()
            .ok_or_else(|| bad("a message without a tag".into()))?;
        self.0 = rest;
        Ok(*first)
    }

    fn u32(&mut self) -> io::Result<u32> {
        let (first, rest) = self
            .0
            .split_first_chunk::<4>()
            .ok_or_else(|| bad("a message cut short".into()))?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*first))
    }

    fn ids(&mut self) -> io::Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(self.0.len() / 4);
        while !self.0.is_empty() {
            ids.push(self.u32()?);
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let requests = [
            Request::Draft {
                slot: 0,
                sequence: vec![1, 2, u32::MAX],
                n: 16,
            },
            Request::Draft {
                slot: 7,
                sequence: vec![],
                n: 0,
            },
        ];
        let replies = [
            Reply::Ready {
                vocab: 2048,
                context: 512,
            },
            Reply::Drafted {
                slot: 3,
                ids: vec![5, 6],
            },
            Reply::Drafted {
                slot: 0,
                ids: vec![],
            },
            Reply::Failed("no: „memory“".into()),
        ];
        let mut wire = Vec::new();
        requests.iter().for_each(|m| m.write(&mut wire).unwrap());
        replies.iter().for_each(|m| m.write(&mut wire).unwrap());
        let mut from = &wire[..];
        for message in requests {
            assert_eq!(Request::read(&mut from).unwrap(), Some(message));
        }
        for message in replies {
            assert_eq!(Reply::read(&mut from).unwrap(), message);
        }
        assert_eq!(Request::read(&mut from).unwrap(), None);
        assert!(Reply::read(&mut from).is_err());
    }

    #[test]
    fn malformed_messages_are_errors() {
        let huge = (MAX_MESSAGE + 1).to_le_bytes();
        let cases: [&[u8]; 5] = [
            &huge,
            &[1, 0, 0, 0, 9],
            &[0, 0, 0, 0],
            &[3, 0, 0, 0, 1, 1, 1],
            &[9, 0, 0],
        ];
        for bytes in cases {
            assert!(Reply::read(&mut &bytes[..]).is_err(), "{bytes:?}");
            assert!(Request::read(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
    }
}
