//! A lowered program: what its id commits to, with the trees that prove it.

use crate::fast::Code;
use crate::isa::Instr;
use crate::tree::{Tree, leaf_at};
use assay_types::Program;
use assay_types::params::{
    CODE_DEPTH, GLOBALS_DEPTH, LEAF_BYTES, LEAF_CELLS, LEAF_INSTRUCTIONS, MEMORY_DEPTH, PAGE_BYTES,
    SEGMENTS_DEPTH, TABLE_DEPTH,
};

/// Cells of the globals tree.
pub const GLOBAL_TREE_CELLS: usize = (LEAF_CELLS << GLOBALS_DEPTH) as usize;

/// The numbers a program id commits to besides its roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// First memory size, in pages.
    pub pages: u32,
    /// Largest memory size, in pages.
    pub max_pages: u32,
    /// log2 of the volatile region's bytes; 0 for none.
    pub volatile_log2: u8,
    /// Register-stack cells the program may use.
    pub stack_cells: u32,
    /// log2 of the number of macro steps.
    pub a: u8,
    /// log2 of the number of micro steps in a macro step.
    pub b: u8,
    /// pc of the entry stub.
    pub entry: u32,
}

/// A lowered program in memory.
pub struct Image {
    /// What the id commits to.
    pub program: Program,
    /// Its numbers.
    pub limits: Limits,
    /// Flat code.
    pub code: Vec<Instr>,
    /// First elements of all tables.
    pub table: Vec<u64>,
    /// Passive data segments, then passive element segments.
    pub segments: Vec<u8>,
    /// First linear memory; zero beyond.
    pub memory: Vec<u8>,
    /// First globals tree.
    pub globals: Vec<u64>,
    /// Tree of the code.
    pub code_tree: Tree,
    /// Tree of the table.
    pub table_tree: Tree,
    /// Tree of the passive segments.
    pub segments_tree: Tree,
    /// Tree of the first memory.
    pub memory_tree: Tree,
    /// Tree of the first globals.
    pub globals_tree: Tree,
    /// The code as the interpreter runs it.
    pub(crate) fast: Code,
}

/// Little-endian bytes of cells.
pub fn cell_bytes(cells: &[u64]) -> Vec<u8> {
    cells.iter().flat_map(|c| c.to_le_bytes()).collect()
}

/// Leaf `index` of a tree over `cells`, zero beyond them.
pub fn cells_leaf(cells: &[u64], index: u64) -> [u8; LEAF_BYTES] {
    let mut leaf = [0; LEAF_BYTES];
    let start = cells.len().min(index as usize * LEAF_CELLS as usize);
    for (out, cell) in leaf.chunks_exact_mut(8).zip(&cells[start..]) {
        out.copy_from_slice(&cell.to_le_bytes());
    }
    leaf
}

impl Image {
    /// Commits to a program. `globals` is padded with zeros to the whole tree; `memory` may be shorter than `pages`.
    pub fn new(
        limits: Limits,
        code: Vec<Instr>,
        table: Vec<u64>,
        segments: Vec<u8>,
        memory: Vec<u8>,
        mut globals: Vec<u64>,
    ) -> Image {
        assert!(
            memory.len() as u64 <= u64::from(limits.pages) * PAGE_BYTES,
            "initial memory exceeds its pages"
        );
        globals.resize(GLOBAL_TREE_CELLS, 0);
        let code_bytes: Vec<u8> = code.iter().flat_map(Instr::encode).collect();
        let code_tree = Tree::build(CODE_DEPTH, &code_bytes);
        let table_tree = Tree::build(TABLE_DEPTH, &cell_bytes(&table));
        let segments_tree = Tree::build(SEGMENTS_DEPTH, &segments);
        let memory_tree = Tree::build(MEMORY_DEPTH, &memory);
        let globals_tree = Tree::build(GLOBALS_DEPTH, &cell_bytes(&globals));
        let program = Program {
            code: code_tree.root(),
            segments: segments_tree.root(),
            table: table_tree.root(),
            memory: memory_tree.root(),
            globals: globals_tree.root(),
            pages: limits.pages,
            max_pages: limits.max_pages,
            volatile_log2: limits.volatile_log2,
            stack_cells: limits.stack_cells,
            a: limits.a,
            b: limits.b,
            entry: limits.entry,
        };
        Image {
            program,
            limits,
            fast: Code::new(&code),
            code,
            table,
            segments,
            memory,
            globals,
            code_tree,
            table_tree,
            segments_tree,
            memory_tree,
            globals_tree,
        }
    }

    /// Code leaf `index`, zero beyond the code.
    pub fn code_leaf(&self, index: u64) -> [u8; LEAF_BYTES] {
        let start = index as usize * LEAF_INSTRUCTIONS as usize;
        let end = self.code.len().min(start + LEAF_INSTRUCTIONS as usize);
        let bytes: Vec<u8> = self
            .code
            .get(start..end)
            .unwrap_or(&[])
            .iter()
            .flat_map(Instr::encode)
            .collect();
        leaf_at(&bytes, 0)
    }
}
