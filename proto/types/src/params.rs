//! Shared constants. `cargo xtask generate` writes `contracts/src/generated/Params.sol` from these.

/// Version of the machine, part of every program id.
pub const MACHINE_VERSION: u32 = 2;

/// Domain tag of a tree leaf.
pub const TAG_LEAF: u8 = 0x00;
/// Domain tag of an inner tree node.
pub const TAG_NODE: u8 = 0x01;
/// Domain tag of a machine state.
pub const TAG_STATE: u8 = 0x02;
/// Domain tag of a program id.
pub const TAG_PROGRAM: u8 = 0x03;
/// Domain tag of a model id.
pub const TAG_MODEL: u8 = 0x04;
/// Domain tag of a result, the leaf of a segment's tree.
pub const TAG_RESULT: u8 = 0x05;

/// Bytes in a tree leaf.
pub const LEAF_BYTES: usize = 128;
/// 8-byte cells in a tree leaf.
pub const LEAF_CELLS: u32 = 16;
/// 16-byte instructions in a code leaf.
pub const LEAF_INSTRUCTIONS: u32 = 8;

/// Depth of the memory tree: 2^25 leaves, 4 GiB.
pub const MEMORY_DEPTH: u32 = 25;
/// Depth of the register stack's tree: 2^17 cells.
pub const STACK_DEPTH: u32 = 13;
/// Depth of the globals tree: 2^13 cells.
pub const GLOBALS_DEPTH: u32 = 9;
/// Depth of the table tree: 2^21 elements.
pub const TABLE_DEPTH: u32 = 17;
/// Depth of the code tree: 2^20 instructions.
pub const CODE_DEPTH: u32 = 17;
/// Depth of the tree of passive data segments: 4 GiB.
pub const SEGMENTS_DEPTH: u32 = 25;
/// Depth of a read-only input's tree: 1 TiB.
pub const ROM_DEPTH: u32 = 33;

/// Cells of the register stack.
pub const STACK_CELLS: u32 = LEAF_CELLS << STACK_DEPTH;
/// Instructions a program can hold.
pub const CODE_INSTRUCTIONS: u32 = LEAF_INSTRUCTIONS << CODE_DEPTH;
/// Elements all tables together can hold.
pub const TABLE_ELEMENTS: u32 = LEAF_CELLS << TABLE_DEPTH;
/// Globals cells a module's globals may use.
pub const GLOBALS_CELLS: u32 = 4096;
/// First globals cell of the table sizes.
pub const TABLE_SIZE_BASE: u32 = 4096;
/// Tables a program may have.
pub const MAX_TABLES: u32 = 1024;
/// First globals cell of the dropped-element-segment flags.
pub const ELEM_DROPPED_BASE: u32 = 5120;
/// Element segments a program may have.
pub const MAX_ELEMS: u32 = 1024;
/// First globals cell of the dropped-data-segment flags.
pub const DATA_DROPPED_BASE: u32 = 6144;
/// Data segments a program may have.
pub const MAX_DATAS: u32 = 2048;
/// Bytes a read-only input's tree can address, its length prefix included.
pub const ROM_BYTES: u64 = 1 << 40;
/// Bytes in a page of linear memory.
pub const PAGE_BYTES: u64 = 65536;

/// Read-only inputs: the request.
pub const ROM_REQUEST: u32 = 0;
/// Read-only inputs: the output.
pub const ROM_OUTPUT: u32 = 1;
/// Read-only inputs: the model.
pub const ROM_MODEL: u32 = 2;
/// Number of read-only inputs.
pub const ROMS: u32 = 3;

/// Bytes of an encoded [`crate::Header`].
pub const HEADER_BYTES: usize = 145;

/// First parameter's (and first result's) slot in a frame.
pub const FRAME_ARGS: u32 = 2;
/// Frame bases and bulk operand blocks are multiples of this many cells.
pub const FRAME_ALIGN: u32 = 4;

/// log2 of the number of trace indices: A + B.
pub const TRACE_LOG2: u32 = 50;
/// Arity of the default game.
pub const GAME_ARITY: u32 = 32;
/// Largest witness of one step, in bytes.
pub const MAX_WITNESS_BYTES: usize = 4096;
/// Largest payload + output of one request, in bytes.
pub const MAX_REQUEST_OUTPUT_BYTES: u32 = 65536;
/// Most tokens that one request may ask for.
pub const MAX_TOKENS: u32 = 4096;

const _: () = assert!(STACK_CELLS == 131_072 && CODE_INSTRUCTIONS == 1 << 20);
const _: () = assert!(TABLE_SIZE_BASE + MAX_TABLES == ELEM_DROPPED_BASE);
const _: () = assert!(ELEM_DROPPED_BASE + MAX_ELEMS == DATA_DROPPED_BASE);
const _: () = assert!(DATA_DROPPED_BASE + MAX_DATAS == LEAF_CELLS << GLOBALS_DEPTH);
