//! The custom section `assay`: the numbers of a program that WASM has no place for.

use crate::lower::{LowerError, refuse};
use assay_types::params::{FRAME_ALIGN, STACK_CELLS, TRACE_LOG2};

/// Numbers from the custom section, or their defaults.
#[derive(Clone, Copy, Debug)]
pub(in crate::lower) struct Config {
    pub max_pages: u32,
    pub volatile_log2: u8,
    pub stack_cells: u32,
    pub a: u8,
    pub b: u8,
}

const KEYS: [&str; 5] = ["max_pages", "volatile_log2", "stack_cells", "a", "b"];

/// What the section says: key, value, the section's place.
#[derive(Default)]
pub(super) struct Settings(Vec<(String, u64, u64)>);

impl Settings {
    /// Reads one section `assay`.
    pub fn read(&mut self, offset: u64, data: &[u8]) -> Result<(), LowerError> {
        let Ok(text) = std::str::from_utf8(data) else {
            return refuse(offset, "custom section assay is not UTF-8");
        };
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let parsed = line
                .split_once('=')
                .and_then(|(k, v)| Some((k.trim(), v.trim().parse::<u64>().ok()?)));
            match parsed {
                Some((key, value)) if KEYS.contains(&key) && self.0.iter().all(|s| s.0 != key) => {
                    self.0.push((key.to_owned(), value, offset));
                }
                _ => {
                    return refuse(
                        offset,
                        format!(
                            "custom section assay: line {line:?} is not key=number, or is given twice"
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn get(&self, key: &str, default: u64, low: u64, high: u64) -> Result<u64, LowerError> {
        let Some((_, value, offset)) = self.0.iter().find(|s| s.0 == key) else {
            return Ok(default);
        };
        if *value < low || *value > high {
            return refuse(
                *offset,
                format!("custom section assay: {key} = {value} is outside {low}..={high}"),
            );
        }
        Ok(*value)
    }

    /// Where the section is, 0 without one.
    fn offset(&self) -> u64 {
        self.0.first().map_or(0, |s| s.2)
    }

    /// The numbers; `declared` is the memory's maximum.
    pub fn config(&self, has_step: bool, declared: u32) -> Result<Config, LowerError> {
        let volatile_log2 = self.get("volatile_log2", 0, 0, 31)? as u8;
        if (1..7).contains(&volatile_log2) {
            return refuse(
                self.offset(),
                "custom section assay: volatile_log2 is 0 or at least 7",
            );
        }
        let (a, b) = if has_step { (25, 25) } else { (0, 50) };
        let (declared, cells) = (u64::from(declared), u64::from(STACK_CELLS));
        let config = Config {
            max_pages: self.get("max_pages", declared, 0, declared)? as u32,
            volatile_log2,
            stack_cells: self.get("stack_cells", cells, 64, cells)? as u32,
            a: self.get("a", a, 0, 50)? as u8,
            b: self.get("b", b, 1, 50)? as u8,
        };
        if u32::from(config.a) + u32::from(config.b) != TRACE_LOG2 {
            return refuse(
                self.offset(),
                format!("custom section assay: a + b is not {TRACE_LOG2}"),
            );
        }
        if !config.stack_cells.is_multiple_of(FRAME_ALIGN) {
            return refuse(
                self.offset(),
                format!("custom section assay: stack_cells is not a multiple of {FRAME_ALIGN}"),
            );
        }
        Ok(config)
    }
}
