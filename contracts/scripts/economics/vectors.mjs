// What the contracts must pay out, to the wei, at the parameters of docs/parameters.json: test/economics/vectors.json, which
// test/economics/Economics.t.sol plays.
import { parametersOf } from "./facts.mjs";
import { batchCap, Contracts, directCap, executorWorstGas, leastFee, Ledger, Work } from "./money.mjs";
import { Random } from "./random.mjs";

const GWEI = 10n ** 9n;
const FEE = 10n ** 18n + 1n;
/** How a game ends: by the challenger's proof, by either player's clock, or by another game's win. */
export const ENDS = { proof: 0, challengerTimesOut: 1, executorTimesOut: 2, void: 3 };

/** The scenarios: whether the claim is a lie, and its games in the order in which they were opened. Tallies in gwei. */
function disputes(p, rng) {
  const { proof, challengerTimesOut, executorTimesOut, void: isVoid } = ENDS;
  const quarter = p.claimBond / 4n / GWEI;
  const game = (end, least = 1n, most = quarter / 8n) => ({ end, challenger: rng.between(least, most), executor: rng.between(least, most) });
  const half = (executorWorstGas(p) * p.bondGasPrice) / GWEI;
  return {
    trueClaimWon: [false, [{ ...game(challengerTimesOut), executor: rng.between(1, half) }]],
    trueClaimWonAtAnyPrice: [false, [{ ...game(challengerTimesOut), executor: half + rng.between(1, half) }]],
    trueClaimManySybils: [false, Array.from({ length: 5 }, () => game(challengerTimesOut))],
    falseClaimAlone: [true, [game(proof)]],
    falseClaimTwoVoid: [true, [game(isVoid), game(proof), game(isVoid)]],
    falseClaimPoolShort: [true, [game(isVoid, quarter / 3n, quarter), game(proof, quarter / 2n, quarter), game(isVoid, quarter / 3n, quarter)]],
    shamLosesFirst: [true, [game(challengerTimesOut), game(proof)]],
    shamLosesFirstOneVoid: [true, [game(challengerTimesOut), game(isVoid), game(proof)]],
    executorSilent: [true, [game(executorTimesOut)]],
    executorSilentOneVoid: [true, [game(executorTimesOut), game(isVoid, quarter, 2n * quarter)]],
  };
}

/** Plays one dispute in the model. Work is what a request of the longest work costs in an idle window. */
function play(p, [lie, games]) {
  const ledger = new Ledger({ asker: FEE, executor: p.claimBond, ...Object.fromEntries(games.map((_, i) => [`c${i}`, 10n ** 24n])) });
  const world = new Contracts(p, ledger);
  world.stake("executor", p.claimBond);
  const request = world.request("asker", p.maxWork, FEE);
  const claim = world.claim(request, "executor", 1n);
  const burn = claim.burn;
  const open = games.map((g, i) => {
    const o = world.open(claim, `c${i}`);
    world.tally(o, "challenger", g.challenger);
    world.tally(o, "executor", g.executor);
    return o;
  });
  // First whose challengers stopped, then who wins, then the void ones.
  for (const i of games.keys()) if (games[i].end === ENDS.challengerTimesOut) world.executorWins(open[i]);
  for (const i of games.keys()) if ([ENDS.proof, ENDS.executorTimesOut].includes(games[i].end)) world.challengerWins(open[i]);
  for (const i of games.keys()) if (games[i].end === ENDS.void) world.settleVoid(open[i]);
  const burnedByGames = ledger.of("burned");
  if (lie) world.refund(request);
  else world.finalize(claim);
  world.check();
  const credit = (where, who) => String(world.credits[where].get(who) ?? 0n);
  return {
    lie: Number(lie),
    ends: games.map((g) => g.end),
    challengerGas: games.map((g) => String(g.challenger)),
    executorGas: games.map((g) => String(g.executor)),
    challengerCredit: games.map((_, i) => credit("game", `c${i}`)),
    executorCredit: credit("game", "executor"),
    stakeLeft: String(world.stakes.get("executor").staked),
    burnedByGames: String(burnedByGames),
    fee: String(FEE),
    burn: String(burn),
    feeCredit: credit("inbox", "executor"),
    refund: credit("inbox", "asker"),
  };
}

/** Claims of the largest work, one after another until both shares are full and beyond, at some distance in time. */
function filling(p, rng) {
  const work = new Work(p);
  const count = Number(batchCap(p) / p.maxWork + directCap(p) / p.maxWork) + 4;
  const out = { direct: [], wait: [], burn: [], batchLeft: [], directLeft: [] };
  let time = 1n;
  for (let i = 0; i < count; ++i) {
    const direct = rng.chance(4);
    const wait = rng.chance(3) ? rng.between(0, p.window / 100n) : 0n;
    time += wait;
    const burn = work.claim(time, p.maxWork, direct, FEE);
    const [batch, directly] = work.drain(time);
    out.direct.push(Number(direct));
    out.wait.push(String(wait));
    // A claim that is skipped burns nothing; one that is made burns something.
    out.burn.push(String(burn ?? 0n));
    out.batchLeft.push(String(batchCap(p) - batch));
    out.directLeft.push(String(directCap(p) - directly));
  }
  return { fee: String(FEE), leastFee: String(leastFee(p, p.maxWork)), ...out };
}

/** Both halves of an odd callback fee: of a claim that stands, and of one that is overturned before the next one is told. */
function callbacks(p, rng) {
  const callbackFee = 2n * rng.between(10n ** 9n, 10n ** 15n) + 1n;
  const world = new Contracts(p, new Ledger({ asker: FEE + callbackFee, executor: p.claimBond }));
  world.stake("executor", p.claimBond);
  const request = world.request("asker", p.maxWork, FEE, callbackFee);
  const claim = world.claim(request, "executor", 1n);
  const paid = [true, false, false].map((isResult) => {
    world.deliver(request, "keeper", isResult);
    return String(world.credits.inbox.get("keeper"));
  });
  world.finalize(claim);
  world.check();
  return { fee: String(FEE), callbackFee: String(callbackFee), paid };
}

export function vectors() {
  const file = { about: "Written by scripts/economics.mjs --vectors; do not edit." };
  for (const name of ["l2", "l1"]) {
    const p = parametersOf(name);
    const rng = new Random(name === "l2" ? 2 : 1);
    const played = Object.entries(disputes(p, rng)).map(([key, dispute]) => [key, play(p, dispute)]);
    file[name] = { ...Object.fromEntries(played), filling: filling(p, rng), callbacks: callbacks(p, rng) };
  }
  return `${JSON.stringify(file, null, 1)}\n`;
}
