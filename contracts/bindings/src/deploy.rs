//! How a rollup is deployed: parameters, addresses known in advance, creation code in order.
//!
//! The contracts name each other as immutables, so their addresses follow from the deployer's nonces.

use crate::abi::rollup::Rollup::WorkLaw;
use crate::abi::{
    BlobDisputeGame, BlobRollup, DisputeGame, Inbox, LivenessPenalty, ModelRegistry, OneStepProver,
    Rollup, Staking, StepControl, StepFloat32, StepFloat64, StepInteger, StepLanes, StepMemory,
    StepTable, StepVector, StepVectorF32, StepVectorF64,
};
use crate::market::{MarketAddresses, plan_market};
use crate::presets::Preset;
use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolConstructor;

/// Everything that a deployment fixes for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// The accounts that post batches, in the order of their turns: one to sixteen, each once.
    pub sequencers: Vec<Address>,
    /// Seconds of a sequencer's turn.
    pub turn_length: u64,
    /// Least wei that a claim locks. A quarter of it repays challengers: more than four times the gas of a whole game.
    pub claim_bond: u128,
    /// Challenge window, seconds.
    pub window: u64,
    /// Seconds that each player may use in one game: tolerated censorship + compute.
    pub allowance: u64,
    /// Most wei that an executor can lose over one answer that it promised and did not bring.
    pub penalty_cap: u128,
    /// Seconds before stake leaves; more than window + both allowances.
    pub unbonding_delay: u64,
    /// Most work of one request, model bytes x tokens (a byte of payload counts as a token).
    pub max_work: u128,
    /// Most work that may be claimed in any stretch of one window; `max_work` is at most a tenth of it.
    pub work_per_window: u128,
    /// Price of work in an idle window, wei burned for 2^20 units.
    pub work_price_floor: u128,
    /// How often that price doubles until a share of the window is full. A claim of `max_work` burns half of `claim_bond` at
    /// most, or the rollup is not deployed.
    pub work_price_doublings: u8,
    /// Seconds after the inclusion deadline in which direct claims come before refunds.
    pub direct_period: u64,
    /// Seconds from a rejection to the fresh inclusion deadline.
    pub reopen_period: u64,
    /// Blocks from a question to the one whose randomness seeds it; 0 takes the question's own block.
    pub seed_delay: u64,
    /// log2 of k, the most pieces of a dissection.
    pub arity_log2: u8,
    /// Dissections are posted in blobs, and outputs may be; else all in calldata.
    pub blobs: bool,
    /// log2 of the number of trace indices.
    pub trace_log2: u8,
    /// Wei per gas that the challenger's bond reckons with.
    pub bond_gas_price: u128,
    /// Most wei per gas over the base fee that is repaid.
    pub tip_cap: u128,
    /// Seconds before an executor's first ask, or a higher one, holds.
    pub notice: u32,
}

impl Parameters {
    /// The devnet's: one sequencer, a window of 30 seconds and two minutes of clock.
    pub fn devnet(sequencer: Address) -> Parameters {
        Parameters::of(Preset::Devnet, vec![sequencer])
    }

    /// The devnet's, with limits that a model of `length` bytes can be asked under for `units` bytes of payload and tokens of
    /// answer, together, or for [`LEAST_UNITS`] where they are less. A window is long enough to re-check in half of it what may
    /// be claimed in it.
    pub fn devnet_for(sequencer: Address, length: u64, units: u64) -> Parameters {
        let devnet = Parameters::devnet(sequencer);
        let needed = u128::from(length) * u128::from(units.max(LEAST_UNITS));
        if needed <= devnet.max_work {
            return devnet;
        }
        let work_per_window = 10 * needed;
        let seconds = (2 * work_per_window).div_ceil(WORK_PER_SECOND);
        // Saturated, it is refused where it is used; it never wraps into a short one.
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX / 2);
        let window = devnet.window.max(seconds);
        Parameters {
            max_work: needed,
            work_per_window,
            window,
            unbonding_delay: window + 2 * devnet.allowance + 60,
            // The same share of a window burns the same, however much work it is.
            work_price_floor: (devnet.work_price_floor * devnet.max_work / needed).max(1),
            ..devnet
        }
    }
}

/// Bytes of payload and tokens of answer, together, that any model can be asked for on the devnet.
pub const LEAST_UNITS: u64 = 400;
/// Work that a small machine re-checks in a second: 3 billion multiplications, and payload bytes count three times over.
const WORK_PER_SECOND: u128 = 10_000_000_000;

/// Where everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// One step of the machine.
    pub prover: Address,
    /// Programs and models.
    pub registry: Address,
    /// Stakes.
    pub staking: Address,
    /// Requests.
    pub inbox: Address,
    /// Games.
    pub game: Address,
    /// Batches.
    pub rollup: Address,
    /// Broken promises.
    pub liveness: Address,
    /// What stands above them.
    pub market: MarketAddresses,
}

/// One creation transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creation {
    /// Contract's name, as in `contracts/abi`.
    pub name: &'static str,
    /// Where it will be.
    pub address: Address,
    /// Creation bytecode and constructor arguments.
    pub init_code: Bytes,
}

/// The creations of a whole rollup by `deployer`, whose next nonce is `nonce`; to be sent in this order and with nothing
/// in between.
pub fn plan(deployer: Address, nonce: u64, p: &Parameters) -> (Addresses, Vec<Creation>) {
    let (steps, prover) = plan_prover(deployer, nonce);
    let first = nonce + steps.len() as u64;
    let at = |i: u64| deployer.create(first + i);
    let to = Addresses {
        prover,
        registry: at(0),
        staking: at(1),
        inbox: at(2),
        game: at(3),
        rollup: at(4),
        liveness: at(5),
        market: MarketAddresses::after(deployer, first + 6),
    };
    let mut out = steps;
    let mut push = |name, address, code: &Bytes, arguments: Vec<u8>| {
        out.push(Creation {
            name,
            address,
            init_code: [&code[..], &arguments[..]].concat().into(),
        });
    };
    let registry = ModelRegistry::constructorCall {
        traceLog2_: p.trace_log2,
    };
    push(
        "ModelRegistry",
        to.registry,
        &ModelRegistry::BYTECODE,
        registry.abi_encode(),
    );
    let staking = Staking::constructorCall {
        rollup_: to.rollup,
        game_: to.game,
        liveness_: to.liveness,
        unbondingDelay_: p.unbonding_delay,
    };
    push(
        "Staking",
        to.staking,
        &Staking::BYTECODE,
        staking.abi_encode(),
    );
    let inbox = Inbox::constructorCall {
        rollup_: to.rollup,
        registry_: to.registry,
        maxWork_: U256::from(p.max_work),
        directPeriod_: p.direct_period,
        reopenPeriod_: p.reopen_period,
        seedDelay_: p.seed_delay,
    };
    push("Inbox", to.inbox, &Inbox::BYTECODE, inbox.abi_encode());
    let game = DisputeGame::constructorCall {
        rollup_: to.rollup,
        inbox_: to.inbox,
        staking_: to.staking,
        registry_: to.registry,
        prover_: to.prover,
        arityLog2_: p.arity_log2,
        allowance_: p.allowance,
        bondGasPrice: U256::from(p.bond_gas_price),
        tipCap: U256::from(p.tip_cap),
    };
    // Both modes have the same constructors.
    let ((game_name, game_code), (rollup_name, rollup_code)) = match p.blobs {
        true => (
            ("BlobDisputeGame", &BlobDisputeGame::BYTECODE),
            ("BlobRollup", &BlobRollup::BYTECODE),
        ),
        false => (
            ("DisputeGame", &DisputeGame::BYTECODE),
            ("Rollup", &Rollup::BYTECODE),
        ),
    };
    push(game_name, to.game, game_code, game.abi_encode());
    let rollup = Rollup::constructorCall {
        inbox_: to.inbox,
        staking_: to.staking,
        game_: to.game,
        sequencers_: p.sequencers.clone(),
        turnLength_: p.turn_length,
        claimBond_: p.claim_bond,
        law: WorkLaw {
            perWindow: U256::from(p.work_per_window),
            window: U256::from(p.window),
            floor: U256::from(p.work_price_floor),
            doublings: U256::from(p.work_price_doublings),
        },
    };
    push(rollup_name, to.rollup, rollup_code, rollup.abi_encode());
    let liveness = LivenessPenalty::constructorCall {
        inbox_: to.inbox,
        staking_: to.staking,
        cap_: U256::from(p.penalty_cap),
    };
    push(
        "LivenessPenalty",
        to.liveness,
        &LivenessPenalty::BYTECODE,
        liveness.abi_encode(),
    );
    out.extend(plan_market(&to, p.notice));
    (to, out)
}

/// Names and creation codes of the step families, in the order of the prover's constructor.
pub fn families() -> [(&'static str, &'static Bytes); 10] {
    [
        ("StepControl", &StepControl::BYTECODE),
        ("StepMemory", &StepMemory::BYTECODE),
        ("StepInteger", &StepInteger::BYTECODE),
        ("StepFloat32", &StepFloat32::BYTECODE),
        ("StepFloat64", &StepFloat64::BYTECODE),
        ("StepVector", &StepVector::BYTECODE),
        ("StepLanes", &StepLanes::BYTECODE),
        ("StepVectorF32", &StepVectorF32::BYTECODE),
        ("StepVectorF64", &StepVectorF64::BYTECODE),
        ("StepTable", &StepTable::BYTECODE),
    ]
}

/// The creations of the step families and the prover in front of them, and the prover's address.
pub fn plan_prover(deployer: Address, nonce: u64) -> (Vec<Creation>, Address) {
    let mut out: Vec<Creation> = (nonce..)
        .zip(families())
        .map(|(n, (name, code))| Creation {
            name,
            address: deployer.create(n),
            init_code: code.clone(),
        })
        .collect();
    let prover = deployer.create(nonce + out.len() as u64);
    let arguments = OneStepProver::constructorCall {
        families: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|i: usize| out[i].address),
    };
    let init_code = [&OneStepProver::BYTECODE[..], &arguments.abi_encode()[..]]
        .concat()
        .into();
    out.push(Creation {
        name: "OneStepProver",
        address: prover,
        init_code,
    });
    (out, prover)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_model_and_the_window_with_the_limits() {
        let of = |length| Parameters::devnet_for(Address::ZERO, length, 0);
        let devnet = Parameters::devnet(Address::ZERO);
        assert_eq!(of(2_800_000), devnet);
        assert_eq!(
            of(37_500_000),
            devnet,
            "400 units of it are the devnet's limit"
        );
        let larger = of(1_170_000_000);
        assert_eq!(larger.max_work, 468_000_000_000);
        assert_eq!(larger.work_per_window, 10 * larger.max_work);
        // 4.68e12 at 1e10 a second is 468 s, in half of the window.
        assert_eq!(larger.window, 936);
        assert!(larger.unbonding_delay > larger.window + 2 * larger.allowance);
        let idle = |p: &Parameters| p.work_price_floor * p.max_work;
        assert!(
            idle(&devnet) - idle(&larger) < larger.max_work,
            "up to rounding"
        );
        let longer = Parameters::devnet_for(Address::ZERO, 1_170_000_000, 800);
        assert_eq!(longer.max_work, 2 * larger.max_work);
        assert_eq!(longer.window, 2 * larger.window);
        // Just over: the window is not shorter than the devnet's.
        assert_eq!(of(37_500_001).window, 31);
    }
}
