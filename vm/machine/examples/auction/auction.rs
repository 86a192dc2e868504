//! Clears a batch auction: the order book is the model input, the result is what the output claims.
//!
//! The book holds orders of 16 bytes, little-endian: `side u32 (0 buys, 1 sells) ‖ price u32 ‖ quantity u32 ‖ owner u32`. The
//! dearest buyer meets the cheapest seller, the earlier order first, while their prices cross; every fill is at the price
//! half-way between the last two that met. The output is five zero bytes (an answer without token ids), then
//! `price u32 ‖ volume u64 ‖ digest u64`; the digest is FNV-1a over `buyer u32 ‖ seller u32 ‖ quantity u32` of each fill.
//!
//! Exits 0 if the output is right, 1 if it is not, 2 if the book is malformed.
#![no_std]
#![no_main]

/// Most orders in a book.
const MOST: usize = 256;
const MODEL: u32 = 2;
const OUTPUT: u32 = 1;

/// One page of shadow stack is enough; nothing is kept between macro steps, as there is only one.
#[unsafe(link_section = "assay")]
#[used]
static PARAMETERS: [u8; 11] = *b"max_pages=2";

#[link(wasm_import_module = "assay")]
unsafe extern "C" {
    /// Copies `len` bytes at `offset` of an input (whose first 8 bytes are its length) to `dst`; traps past the end.
    fn read(rom: u32, offset: u64, dst: *mut u8, len: u32);
}

fn load<const N: usize>(rom: u32, offset: u64) -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: the buffer has N bytes.
    unsafe { read(rom, offset, bytes.as_mut_ptr(), N as u32) };
    bytes
}

/// Who comes first, and the order's number.
#[derive(Clone, Copy)]
struct Entry {
    rank: u64,
    order: u32,
}

/// The entry of least rank is at 0, and each of 2i + 1 and 2i + 2 ranks at or above i.
struct Heap {
    entries: [Entry; MOST],
    len: usize,
}

impl Heap {
    const fn new() -> Heap {
        Heap {
            entries: [Entry { rank: 0, order: 0 }; MOST],
            len: 0,
        }
    }

    fn push(&mut self, entry: Entry) {
        let mut at = self.len;
        self.len += 1;
        while at > 0 && self.entries[(at - 1) / 2].rank > entry.rank {
            self.entries[at] = self.entries[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        self.entries[at] = entry;
    }

    fn first(&self) -> Option<u32> {
        (self.len > 0).then(|| self.entries[0].order)
    }

    fn pop(&mut self) {
        self.len -= 1;
        let last = self.entries[self.len];
        let mut at = 0;
        loop {
            let mut child = 2 * at + 1;
            if child >= self.len {
                break;
            }
            if child + 1 < self.len && self.entries[child + 1].rank < self.entries[child].rank {
                child += 1;
            }
            if self.entries[child].rank >= last.rank {
                break;
            }
            self.entries[at] = self.entries[child];
            at = child;
        }
        self.entries[at] = last;
    }
}

#[derive(Clone, Copy, Default)]
struct Order {
    price: u32,
    quantity: u32,
    owner: u32,
}

struct Clearing {
    price: u32,
    volume: u64,
    digest: u64,
}

impl Clearing {
    fn fill(&mut self, buyer: u32, seller: u32, quantity: u32) {
        self.volume += u64::from(quantity);
        for word in [buyer, seller, quantity] {
            for byte in word.to_le_bytes() {
                self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
}

/// `None` if the book is malformed.
fn clear() -> Option<Clearing> {
    let bytes = u64::from_le_bytes(load(MODEL, 0));
    let count = (bytes / 16) as usize;
    if bytes % 16 != 0 || count > MOST {
        return None;
    }
    let mut orders = [Order::default(); MOST];
    let (mut buyers, mut sellers) = (Heap::new(), Heap::new());
    for i in 0..count {
        let bytes: [u8; 16] = load(MODEL, 8 + 16 * i as u64);
        let word = |k: usize| u32::from_le_bytes([bytes[k], bytes[k + 1], bytes[k + 2], bytes[k + 3]]);
        let (side, price) = (word(0), word(4));
        orders[i] = Order {
            price,
            quantity: word(8),
            owner: word(12),
        };
        let rank = |key: u32| u64::from(key) << 32 | i as u64;
        match side {
            0 => buyers.push(Entry { rank: rank(!price), order: i as u32 }),
            1 => sellers.push(Entry { rank: rank(price), order: i as u32 }),
            _ => return None,
        }
    }
    let mut clearing = Clearing {
        price: 0,
        volume: 0,
        digest: 0xcbf2_9ce4_8422_2325,
    };
    while let (Some(b), Some(s)) = (buyers.first(), sellers.first()) {
        let (buy, sell) = (orders[b as usize], orders[s as usize]);
        if buy.price < sell.price {
            break;
        }
        let quantity = buy.quantity.min(sell.quantity);
        clearing.fill(buy.owner, sell.owner, quantity);
        clearing.price = sell.price + (buy.price - sell.price) / 2;
        orders[b as usize].quantity -= quantity;
        orders[s as usize].quantity -= quantity;
        if orders[b as usize].quantity == 0 {
            buyers.pop();
        }
        if orders[s as usize].quantity == 0 {
            sellers.pop();
        }
    }
    Some(clearing)
}

fn claimed(clearing: &Clearing) -> bool {
    if u64::from_le_bytes(load(OUTPUT, 0)) != 25 {
        return false;
    }
    let [kind, n0, n1, n2, n3, rest @ ..]: [u8; 25] = load(OUTPUT, 8);
    let mut want = [0; 20];
    want[..4].copy_from_slice(&clearing.price.to_le_bytes());
    want[4..12].copy_from_slice(&clearing.volume.to_le_bytes());
    want[12..].copy_from_slice(&clearing.digest.to_le_bytes());
    [kind, n0, n1, n2, n3] == [0; 5] && rest == want
}

/// The one macro step: the exit code.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> u32 {
    match clear() {
        Some(clearing) => u32::from(!claimed(&clearing)),
        None => 2,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
