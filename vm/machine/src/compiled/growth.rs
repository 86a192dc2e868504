//! Memory that the host can't provide. WebAssembly tells the program -1, as it does past the memory's maximum; the machine
//! knows no host, so such a run has no result.

use crate::rom::Rom;
use wasmtime::{Error, ResourceLimiter, Result};

/// What a run's store holds.
pub(super) struct Host {
    /// The read-only inputs.
    pub(super) roms: [Rom; 3],
    /// Watches memory.
    pub(super) growth: Growth,
}

/// Lets memory grow to its maximum, and ends the run where the host has no more.
pub(super) struct Growth;

/// wasmtime's words where an address can't name that much. It doesn't ask the limiter first.
const PAST_ADDRESSES: &str = "memory growth exceeds memory type's limits";

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        match error.to_string() == PAST_ADDRESSES {
            true => Ok(()),
            false => Err(error.context("the host has no memory for the program")),
        }
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Config, Engine, Instance, Module, Store, Trap, TypedFunc};

    /// The export `grow` of a module with this memory, on a host that can provide two pages.
    fn grow(memory: &str) -> (Store<Growth>, TypedFunc<i32, i32>) {
        let mut config = Config::new();
        config.memory_reservation(2 << 16);
        config.memory_reservation_for_growth(0);
        config.memory_may_move(false);
        let engine = Engine::new(&config).expect("configured");
        let wat = format!(
            "(module {memory} (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))"
        );
        let wasm = wat::parse_str(wat).expect("parses");
        let module = Module::new(&engine, wasm).expect("compiles");
        let mut store = Store::new(&engine, Growth);
        store.limiter(|growth| growth);
        let instance = Instance::new(&mut store, &module, &[]).expect("starts");
        let grow = instance.get_typed_func(&mut store, "grow");
        (store, grow.expect("exported"))
    }

    #[test]
    fn growth_that_the_host_refuses_ends_the_run_and_is_no_trap() {
        let (mut store, grow) = grow("(memory 1)");
        assert_eq!(grow.call(&mut store, 1).expect("two pages"), 1);
        let error = grow.call(&mut store, 1).expect_err("a third");
        assert_eq!(error.downcast_ref::<Trap>(), None);
        assert!(format!("{error:#}").contains("the host has no memory"));
    }

    #[test]
    fn growth_past_the_maximum_or_past_every_address_is_minus_one() {
        let (mut store, grow) = grow("(memory 1 2)");
        assert_eq!(grow.call(&mut store, 1).expect("two pages"), 1);
        for pages in [1, 100, 65_535, 65_536, -1] {
            assert_eq!(grow.call(&mut store, pages).expect("an answer"), -1);
        }
    }
}
