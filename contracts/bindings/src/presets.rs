//! The parameters of `docs/parameters.json`, by kind of chain. That page says why each is what it is.

use crate::deploy::Parameters;
use alloy::primitives::Address;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The table, as data: by kind of chain, contract and constructor argument.
const TABLE: &str = include_str!("../../../docs/parameters.json");

/// A kind of chain that has a column in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    /// A chain for development, where nobody censors and nothing is at stake.
    Devnet,
    /// A rollup with a sequencer of its own and forced inclusion over L1.
    L2,
    /// Ethereum.
    L1,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 3] = [Preset::Devnet, Preset::L2, Preset::L1];

    /// Its column.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Devnet => "devnet",
            Preset::L2 => "l2",
            Preset::L1 => "l1",
        }
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(name: &str) -> Result<Preset, String> {
        let found = Preset::ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| "devnet, l2 or l1".to_owned())
    }
}

/// One column, emptied as it is read.
struct Column(BTreeMap<String, u128>);

impl Column {
    // The table is part of the build, and a test reads all of it.
    fn of(preset: Preset) -> Column {
        let table: serde_json::Value = serde_json::from_str(TABLE).expect("it is JSON");
        let contracts = table[preset.name()].as_object().expect("it has the column");
        let arguments = contracts
            .values()
            .flat_map(|c| c.as_object().expect("arguments"));
        let number = |value: &serde_json::Value| match value.as_str() {
            Some(text) => text.parse().expect("a number"),
            None => value.as_u64().expect("a number").into(),
        };
        Column(
            arguments
                .map(|(name, value)| (name.clone(), number(value)))
                .collect(),
        )
    }

    fn take<T: TryFrom<u128>>(&mut self, name: &str) -> T {
        let value = self
            .0
            .remove(name)
            .unwrap_or_else(|| panic!("the table has no {name}"));
        T::try_from(value).unwrap_or_else(|_| panic!("{name} is too large"))
    }
}

impl Parameters {
    /// The column `preset`, for these sequencers.
    pub fn of(preset: Preset, sequencers: Vec<Address>) -> Parameters {
        let mut column = Column::of(preset);
        let c = &mut column;
        let parameters = Parameters {
            sequencers,
            turn_length: c.take("turnLength"),
            claim_bond: c.take("claimBond"),
            window: c.take("window"),
            allowance: c.take("allowance"),
            penalty_cap: c.take("cap"),
            unbonding_delay: c.take("unbondingDelay"),
            max_work: c.take("maxWork"),
            work_per_window: c.take("workPerWindow"),
            work_price_floor: c.take("workPriceFloor"),
            work_price_doublings: c.take("workPriceDoublings"),
            direct_period: c.take("directPeriod"),
            reopen_period: c.take("reopenPeriod"),
            seed_delay: c.take("seedDelay"),
            arity_log2: c.take("arityLog2"),
            blobs: false,
            trace_log2: c.take("traceLog2"),
            bond_gas_price: c.take("bondGasPrice"),
            tip_cap: c.take("tipCap"),
            notice: c.take("notice"),
        };
        // INVARIANT: nothing stands in the table that nothing deploys.
        assert!(column.0.is_empty(), "not deployed: {:?}", column.0.keys());
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_deployable_and_the_machine_is_the_same() {
        let sequencers = vec![Address::repeat_byte(1), Address::repeat_byte(2)];
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
            let p = Parameters::of(preset, sequencers.clone());
            assert_eq!(p.sequencers, sequencers);
            assert_eq!(u32::from(p.trace_log2), assay_types::params::TRACE_LOG2);
            assert!(p.unbonding_delay > p.window + 2 * p.allowance);
        }
        assert!("mainnet".parse::<Preset>().is_err());
        let [devnet, l2, l1] = Preset::ALL.map(|preset| Parameters::of(preset, Vec::new()));
        assert_eq!(u64::from(devnet.arity_log2), 5);
        assert!(devnet.window < l2.window && l2.window < l1.window);
    }
}
