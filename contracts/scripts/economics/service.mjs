// Attacks on the service around the games: the window's work, the sequencer, censorship, callbacks. As in games.mjs.
import { batchCap, leastFee, workCost } from "./money.mjs";
import { World } from "./world.mjs";

const pick = (rng, typical, low, high) => (rng ? rng.between(low, high) : typical);
const DUST = 100;

export const service = [
  {
    name: `${DUST} claims of next to no work, posted one by one`,
    bound: () => 0n,
    why: "computing alone, see below; each claim locks a bond for a window and pays for its bytes",
    play(d, price) {
      const w = new World(d, price);
      w.stake("attacker", BigInt(DUST));
      const claims = Array.from({ length: DUST }, () => w.ownClaim(24n));
      w.capital("attacker", BigInt(DUST) * w.p.claimBond, w.p.window);
      for (const claim of claims) w.finalize(claim, "attacker");
      return [w, w.close()];
    },
  },
  {
    name: "Filling the batches' share of the window with true answers to one's own largest questions (with the sequencer's help)",
    bound: () => 0n,
    why: "the direct share has a level of its own; others pay the price of a full share at most",
    play: (d, price) => filled(d, price, false),
  },
  {
    name: "Filling it and keeping it full for a window",
    per: (w) => w.p.window,
    bound: () => 0n,
    why: "what drains is refilled at the highest price",
    play: (d, price) => filled(d, price, true),
  },
  {
    name: "Filling it with lies instead",
    least: (w) => (batchCap(w.p) / w.p.maxWork) * (w.p.claimBond / 2n),
    bound: () => 0n,
    why: "half of each bond is burned, and that is more than the most that the work burns",
    play(d, price, rng) {
      const w = new World(d, price);
      const count = batchCap(w.p) / w.p.maxWork;
      w.stake("attacker", count);
      const honest = rng === null || rng.chance(2);
      const claims = Array.from({ length: Number(count) }, () => w.ownClaim(w.p.maxWork));
      for (const claim of claims) {
        const who = honest ? "defender" : "attacker";
        const g = w.open(claim, who);
        w.play(g, who, "challenger", 1n);
        w.act(who, g, "challenger", "timeoutByChallenger");
        w.wins(g);
        w.takeBack(claim);
      }
      const [, paid] = filled(d, price, false);
      const result = w.close();
      w.never(result.attacker <= paid.attacker, "lies fill the window cheaper than fees do");
      return [w, result];
    },
  },
  {
    name: "The sequencer leaves a question out",
    bound: (w) => w.cost("refund") + w.cost("withdraw"),
    why: "past its deadline any bonded executor claims it; if none does, the asker takes all back and pays that gas",
    play(d, price) {
      const w = new World(d, price);
      w.pay("service", "request");
      const r = w.c.request("defender", w.typicalWork(), w.p.claimBond, w.p.claimBond / 10n);
      w.pay("defender", "refund");
      w.c.refund(r);
      return [w, w.close()];
    },
  },
  {
    name: "Censoring one challenger until its clock has run out",
    bound: () => 0n,
    why: "on L1 each proposer wants more than the challenger offers it; on an L2 every transaction is forced in",
    play: (d, price) => (d.name === "l1" ? bribed(d, price) : forced(d, price)),
  },
  {
    name: "A consumer that burns all gas of its callbacks",
    bound: () => 0n,
    why: "a keeper calls only where the fee pays for the whole allowance; the fee is paid whatever the consumer does",
    play(d, price, rng) {
      const w = new World(d, price);
      const gas = w.d.tx.deliver.paid + pick(rng, d.mostCallbackGas, 0n, d.mostCallbackGas);
      const cost = gas * (w.price + w.tip);
      w.stake("defender");
      w.pay("attacker", "request");
      const callbackFee = 2n * cost + pick(rng, 0n, 0n, cost);
      const r = w.c.request("attacker", w.typicalWork(), leastFee(w.p, w.typicalWork()), callbackFee);
      w.pay("service", "post");
      const claim = w.c.claim(r, "defender", w.time);
      for (const isResult of [true, false]) {
        w.ledger.move("defender", "chain", cost);
        w.c.deliver(r, "defender", isResult);
      }
      w.served(claim);
      return [w, w.close()];
    },
  },
];

/** The batches' share filled with the attacker's own questions, and for a window more if it is to be held. */
function filled(d, price, held) {
  const w = new World(d, price);
  const cap = batchCap(w.p);
  const count = cap / w.p.maxWork;
  const claims = [];
  w.stake("attacker", held ? 2n * count : count);
  for (let i = 0n; i < count; ++i) claims.push(w.ownClaim(w.p.maxWork));
  if (held) {
    for (let i = 0n; i < count; ++i) {
      // Until as much has drained as one question takes.
      w.time += (w.p.window * w.p.maxWork + cap - 1n) / cap;
      claims.push(w.ownClaim(w.p.maxWork));
    }
  }
  for (const claim of claims) {
    w.capital("attacker", w.p.claimBond, w.p.window);
    w.finalize(claim, "attacker");
  }
  const result = w.close();
  w.never(result.burned < workCost(w.p, cap, 0n, count * w.p.maxWork), "the window was filled for less than its price");
  return [w, result];
}

/** L1: whoever proposes a block includes the challenger's transaction for what it offers, a quarter of the bond at most; the
 *  censor has to outbid that in every block of the clock. */
function bribed(d, price) {
  const w = new World(d, price);
  w.ledger.move("attacker", "chain", (w.p.claimBond / 4n) * (w.d.a.censorshipOfGame / w.d.a.blockSeconds));
  return [w, w.close()];
}

/** L2: its sequencer takes none of the challenger's transactions, which come in over L1 one delay after another. */
function forced(d, price) {
  const w = new World(d, price);
  w.stake("attacker");
  const claim = w.ownClaim();
  const g = w.open(claim, "defender");
  w.play(g, "defender", "challenger");
  w.play(g, "attacker", "executor");
  const names = ["open", ...Array.from({ length: Number(w.moves()) }, () => "move"), "prove"];
  for (const name of names) {
    const l1 = w.d.a.forcedGas + 40n * w.d.tx[name].bytes;
    w.ledger.move("defender", "chain", l1 * w.d.below.price);
  }
  const delay = BigInt(names.length - 1) * w.d.a.forcedInclusion + w.d.a.outage;
  w.never(delay > w.p.allowance, "the clock runs out before the last forced transaction");
  w.prove(g, "defender");
  w.takeBack(claim);
  return [w, w.close()];
}
