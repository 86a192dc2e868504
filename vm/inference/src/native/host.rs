//! Plain buffers as the program's host: inputs are lent in place, the arena is a vector.

use crate::arena::{Arena, view, view_mut};
use crate::host::{Host, Loaded, Rom, SCRATCH_BYTES};
use crate::layout::{ARENA_ADDRESS, PAGE};
use rayon::prelude::*;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are shared and never copied: a vector, a slice, a mapped file.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// `data` as [`Bytes`].
pub fn bytes(data: impl AsRef<[u8]> + Send + Sync + 'static) -> Bytes {
    Arc::new(data)
}

/// The file at `path` as [`Bytes`], mapped and not read: pages that aren't needed cost no memory.
pub fn map_file(path: &Path) -> std::io::Result<Bytes> {
    let file = File::open(path)?;
    // SAFETY: the map is only read. Whoever changes the file under a running service changes its answers, as with any file that is
    // read twice; who cuts it ends the service.
    let map = unsafe { memmap2::Mmap::map(&file) }?;
    Ok(Arc::new(map))
}

/// Inputs, arena and scratch. Cloning copies the arena, by all cores: what takes long is that its pages are new.
pub struct NativeHost {
    roms: [Bytes; 3],
    // Words keep views of up to 8 bytes aligned.
    arena: Vec<u64>,
    scratch: Vec<u64>,
}

impl Clone for NativeHost {
    fn clone(&self) -> NativeHost {
        const PART: usize = 1 << 16;
        let mut arena = vec![0; self.arena.len()];
        arena
            .par_chunks_mut(PART)
            .zip(self.arena.par_chunks(PART))
            .for_each(|(to, from)| to.copy_from_slice(from));
        NativeHost {
            roms: self.roms.clone(),
            arena,
            scratch: self.scratch.clone(),
        }
    }
}

impl NativeHost {
    /// A host with an empty arena.
    pub fn new(request: Bytes, output: Bytes, model: Bytes) -> NativeHost {
        NativeHost {
            roms: [request, output, model],
            arena: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES as usize / 8],
        }
    }

    /// Replaces the request and the output.
    pub fn set_inputs(&mut self, request: Bytes, output: Bytes) {
        self.roms[0] = request;
        self.roms[1] = output;
    }

    /// The input's bytes, without a length prefix.
    pub fn rom(&self, rom: Rom) -> &[u8] {
        (*self.roms[rom as usize]).as_ref()
    }

    /// The arena, for reading.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: any u64 is eight bytes, and the slice covers exactly the vector's elements.
        unsafe { std::slice::from_raw_parts(self.arena.as_ptr().cast(), self.arena.len() * 8) }
    }

    /// A number in the arena.
    pub fn get<T: crate::arena::Plain>(&self, at: u32) -> T {
        self.view(at, 1)[0]
    }

    /// Numbers in the arena.
    pub fn view<T: crate::arena::Plain>(&self, at: u32, count: u32) -> &[T] {
        view(&self.bytes()[crate::arena::span::<T>(at, count)])
    }

    /// Fills scratch memory with a byte: its content must never matter.
    pub fn soil_scratch(&mut self, byte: u8) {
        view_mut::<u64>(raw(&mut self.scratch)).fill(u64::from_ne_bytes([byte; 8]));
    }
}

pub(super) fn raw(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: any u64 is eight bytes and any eight bytes are a u64; the slice covers exactly these elements.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 8) }
}

impl Host for NativeHost {
    fn rom_len(&mut self, rom: Rom) -> u64 {
        self.rom(rom).len() as u64
    }

    fn load(&mut self, rom: Rom, offset: u64, len: u32) -> Loaded<'_> {
        let data = &(*self.roms[rom as usize]).as_ref()[offset as usize..][..len as usize];
        Loaded {
            data,
            arena: Arena(raw(&mut self.arena)),
            scratch: raw(&mut self.scratch),
        }
    }

    fn arena(&mut self) -> Arena<'_> {
        Arena(raw(&mut self.arena))
    }

    fn grow(&mut self, bytes: u32) {
        let pages = (ARENA_ADDRESS + bytes).div_ceil(PAGE);
        let words = (pages * PAGE - ARENA_ADDRESS) as usize / 8;
        if words > self.arena.len() {
            // A fresh zeroed vector costs nothing for pages that nobody touches.
            let mut grown = vec![0; words];
            grown[..self.arena.len()].copy_from_slice(&self.arena);
            self.arena = grown;
        }
    }
}
