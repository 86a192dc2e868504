//! What the program needs from where it runs: three read-only inputs, an arena that grows, and scratch memory.

use crate::arena::Arena;

/// A read-only input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Rom {
    /// Header and payload of the request.
    Request = 0,
    /// The claimed output.
    Output = 1,
    /// The GGUF file.
    Model = 2,
}

/// Most bytes that one [`Host::load`] lends.
pub const WINDOW_BYTES: u32 = 256 << 10;
/// Bytes of scratch memory. Its content is undefined at the start of a macro step.
pub const SCRATCH_BYTES: u32 = 256 << 10;

/// Bytes of an input beside the program's memory.
pub struct Loaded<'a> {
    /// The bytes asked for.
    pub data: &'a [u8],
    /// All state that survives a yield.
    pub arena: Arena<'a>,
    /// [`SCRATCH_BYTES`], 16-aligned.
    pub scratch: &'a mut [u8],
}

/// Where the program runs: the WASM guest or the native machine.
pub trait Host {
    /// Bytes of `rom`, without its length prefix.
    fn rom_len(&mut self, rom: Rom) -> u64;

    /// Lends bytes `offset .. offset + len` of `rom`, which the caller knows to exist; `len` <= [`WINDOW_BYTES`].
    fn load(&mut self, rom: Rom, offset: u64, len: u32) -> Loaded<'_>;

    /// The arena.
    fn arena(&mut self) -> Arena<'_>;

    /// Grows the arena to at least `bytes`, in whole pages; new bytes are zero. Never shrinks.
    fn grow(&mut self, bytes: u32);
}
