//! The WASM entry of the inference program: `step`, over linear memory and the one import `assay.read`.
//!
//! Memory: below 1 MiB is volatile (shadow stack, a window for inputs, scratch) and zero at each step's start; constants
//! follow; the arena starts at 2 MiB. `build.sh` links it so.
#![no_std]

use assay_inference::arena::Arena;
use assay_inference::host::{Host, Loaded, Rom, SCRATCH_BYTES, WINDOW_BYTES};
use assay_inference::layout::{ARENA_ADDRESS, PAGE};

/// Bytes of the shadow stack, at address 0.
const STACK_BYTES: usize = 512 << 10;
/// Where input bytes are lent from.
const WINDOW: usize = STACK_BYTES;
/// Scratch memory.
const SCRATCH: usize = WINDOW + WINDOW_BYTES as usize;
/// End of the volatile region.
const VOLATILE: usize = 1 << 20;
const _: () = assert!(SCRATCH + SCRATCH_BYTES as usize == VOLATILE);

/// The machine's parameters for this program.
#[unsafe(link_section = "assay")]
#[used]
static PARAMETERS: [u8; 42] = *b"volatile_log2=20\na=25\nb=25\nmax_pages=32767";
const _: () = assert!(assay_inference::layout::ARENA_MAX + ARENA_ADDRESS == 32_767 * PAGE);

#[link(wasm_import_module = "assay")]
unsafe extern "C" {
    /// Copies `len` bytes at `offset` of input `rom` (whose first 8 bytes are its length) to `dst`; traps past the end.
    fn read(rom: u32, offset: u64, dst: *mut u8, len: u32);
}

/// Linear memory.
struct Guest;

impl Guest {
    fn parts(&mut self, window: u32) -> Loaded<'_> {
        let arena = core::arch::wasm32::memory_size::<0>() as u32 * PAGE - ARENA_ADDRESS;
        // SAFETY: the linker puts nothing into these three disjoint regions, they are in memory (32 pages at least), and
        // `self` is borrowed for as long as they are.
        unsafe {
            Loaded {
                data: core::slice::from_raw_parts(WINDOW as *const u8, window as usize),
                arena: Arena(core::slice::from_raw_parts_mut(ARENA_ADDRESS as *mut u8, arena as usize)),
                scratch: core::slice::from_raw_parts_mut(SCRATCH as *mut u8, SCRATCH_BYTES as usize),
            }
        }
    }
}

impl Host for Guest {
    fn rom_len(&mut self, rom: Rom) -> u64 {
        let mut bytes = [0; 8];
        // SAFETY: the buffer has 8 bytes, and every input has its length prefix.
        unsafe { read(rom as u32, 0, bytes.as_mut_ptr(), 8) };
        u64::from_le_bytes(bytes)
    }

    fn load(&mut self, rom: Rom, offset: u64, len: u32) -> Loaded<'_> {
        assert!(len <= WINDOW_BYTES);
        // SAFETY: the window has `WINDOW_BYTES`, and nothing borrows it now.
        unsafe { read(rom as u32, 8 + offset, WINDOW as *mut u8, len) };
        self.parts(len)
    }

    fn arena(&mut self) -> Arena<'_> {
        self.parts(0).arena
    }

    fn grow(&mut self, bytes: u32) {
        let pages = (ARENA_ADDRESS + bytes).div_ceil(PAGE) as usize;
        let have = core::arch::wasm32::memory_size::<0>();
        if pages > have && core::arch::wasm32::memory_grow::<0>(pages - have) == usize::MAX {
            // The plan stays below max_pages.
            core::arch::wasm32::unreachable();
        }
    }
}

/// One macro step: 0 to be called again, 1 for a right output, 1 + code for a wrong one.
#[unsafe(no_mangle)]
pub extern "C" fn step() -> u32 {
    assay_inference::program::step(&mut Guest)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
