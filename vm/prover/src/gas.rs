//! What a whole transaction costs, calldata included, under the floor of today and under the one that is planned.

/// Gas of any transaction.
const BASE: u64 = 21_000;
/// Gas of a zero byte of calldata, above the floor.
const ZERO: u64 = 4;
/// Gas of another byte of calldata, above the floor.
const NONZERO: u64 = 16;

/// Least gas of a byte of calldata, execution included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floor {
    /// Of a zero byte.
    pub zero: u64,
    /// Of another byte.
    pub nonzero: u64,
}

impl Floor {
    /// EIP-7623: 10 and 40 gas.
    pub const TODAY: Floor = Floor {
        zero: 10,
        nonzero: 40,
    };
    /// EIP-7976, a draft: 64 gas, whatever the byte.
    pub const PLANNED: Floor = Floor {
        zero: 64,
        nonzero: 64,
    };
}

/// Gas of a transaction that calls with `calldata` and executes for `execution` gas, without refunds.
pub fn transaction_gas(calldata: &[u8], execution: u64, floor: Floor) -> u64 {
    let zeros = calldata.iter().filter(|b| **b == 0).count() as u64;
    let others = calldata.len() as u64 - zeros;
    let standard = ZERO * zeros + NONZERO * others + execution;
    BASE + standard.max(floor.zero * zeros + floor.nonzero * others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evm::{Evm, Tx};

    /// Runs `code` with `calldata` and compares with the EVM's own receipt.
    fn agrees_with_the_evm(creation: &[u8], calldata: &[u8]) -> u64 {
        let mut evm = Evm::new();
        let contract = evm.deploy(&creation.to_vec().into(), &[]);
        let outcome = evm.send(Tx {
            to: Some(contract),
            data: calldata.to_vec().into(),
            ..Tx::default()
        });
        let ours = transaction_gas(calldata, outcome.execution_gas, Floor::TODAY);
        assert_eq!(ours, outcome.tx_gas, "{} bytes", calldata.len());
        ours
    }

    #[test]
    fn transaction_gas_is_the_evms_above_the_floor_and_at_it() {
        // PUSH0 PUSH0 RETURN costs 4 gas: the floor decides.
        let cheap = [0x62, 0x5f, 0x5f, 0xf3, 0x5f, 0x52, 0x60, 3, 0x60, 29, 0xf3];
        let calldata = [[0; 50], [7; 50]].concat();
        assert_eq!(agrees_with_the_evm(&cheap, &calldata), 21_000 + 50 * 50);
        // PUSH2 0xffff MLOAD POP STOP expands memory: execution decides.
        let dear = [
            0x65, 0x61, 0xff, 0xff, 0x51, 0x50, 0x00, 0x5f, 0x52, 0x60, 6, 0x60, 26, 0xf3,
        ];
        assert!(agrees_with_the_evm(&dear, &calldata) > 21_000 + 50 * 50);
    }

    #[test]
    fn planned_floor_counts_each_byte_alike() {
        assert_eq!(transaction_gas(&[0; 10], 0, Floor::PLANNED), 21_000 + 640);
        assert_eq!(transaction_gas(&[9; 10], 0, Floor::PLANNED), 21_000 + 640);
        assert_eq!(
            transaction_gas(&[9; 10], 1000, Floor::PLANNED),
            21_000 + 1160
        );
    }
}
