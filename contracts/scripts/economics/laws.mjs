// What the table of parameters promises (docs/parameters.md), checked.
import { batchCap, challengerBond, directCap, workCost } from "./money.mjs";

/** `MAX_INCLUSION_DELAY` of the inbox: seven days. */
const LONGEST_INCLUSION = 604_800n;

/** The reasons for which the values are not smaller or larger. Each throws by its name. */
export function checkLaws({ name, p, a, tx, computing }) {
  const law = (holds, what) => {
    if (!holds) throw new Error(`docs/parameters.json, ${name}: ${what}`);
  };
  const half = p.window / 2n;
  law(p.workPerWindow <= half * computing.checkRate, "a window's work is not re-checked in half of it");
  law(half >= a.censorshipOfOne, "after half a window of confirming, one transaction may be censored for less than tolerated");
  const disputes = (a.gamesAtOnce * p.maxWork + p.workPerWindow) / computing.gameRate;
  law(p.allowance >= a.censorshipOfGame + disputes, "the clock does not hold the tolerated censorship and the computing");
  law(p.unbondingDelay > p.window + 2n * p.allowance, "stake leaves before the claims that it backs are decided");
  law(2n * p.cap <= p.claimBond, "a lie that puts a promise off burns less than the promise costs");
  law(
    p.unbondingDelay > LONGEST_INCLUSION + p.directPeriod + a.censorshipOfOne,
    "stake leaves before the longest promise can be penalized",
  );
  law(p.directPeriod >= a.censorshipOfOne, "one direct claim may be censored for less than tolerated");
  law(directCap(p) >= p.maxWork, "the largest request does not fit the direct share");
  for (const cap of [batchCap(p), directCap(p)]) {
    law(2n * workCost(p, cap, cap - p.maxWork, p.maxWork) <= p.claimBond, "work is dearer than half a bond");
  }
  const moves = (p.traceLog2 + p.arityLog2 - 1n) / p.arityLog2 / 2n;
  const challenger = tx.open.counted + moves * tx.move.counted + tx.prove.counted;
  law(p.claimBond / 4n >= 2n * challenger * p.bondGasPrice, "the gas pool does not cover two challengers");
  const executor = moves * tx.move.paid + tx.timeoutByExecutor.paid;
  law(challengerBond(p) / 2n >= executor * p.bondGasPrice, "the challenger's bond does not cover the executor");
  law(p.notice > 0n && p.notice < p.window, "an ask is raised without a notice, or not within a window");
  if (a.forcedInclusion) {
    law(a.censorshipOfOne >= a.forcedInclusion + a.outage, "less than a forced transaction and an outage is tolerated");
    // The opening is charged to the window, the moves and the proof to the clock.
    law(a.censorshipOfGame >= (moves + 1n) * a.forcedInclusion + a.outage, "not every move can be forced");
  } else {
    law(BigInt(stuffedBlocks(a)) * a.blockSeconds < a.censorshipOfOne, "blocks can be filled for as long");
  }
}

/** Blocks that can be kept full, their base fee rising by an eighth each, before all ether there is has been burned. */
export function stuffedBlocks(a, supply = 125_000_000n * 10n ** 18n) {
  let [blocks, fee, spent] = [0, a.baseFee, 0n];
  while ((spent += fee * a.blockGas) <= supply) {
    fee += fee / 8n;
    ++blocks;
  }
  return blocks;
}
