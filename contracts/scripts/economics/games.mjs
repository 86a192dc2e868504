// Attacks by lies and by games. Each plays itself in a world of its own at a base fee, as on the page where `rng` is null and
// at random otherwise, and says in `bound` what the defenders may be left with, in wei; 0 where they never lose.
import { World } from "./world.mjs";

const pick = (rng, typical, low, high) => (rng ? rng.between(low, high) : typical);
/** Where neither sides' gas is dearer than the bond reckons with, these are all that nobody repays. */
const pocket = (w) => w.cost("settleVoid") + w.cost("withdraw");

/** Data fees of the defenders' own transactions, which the game does not see. */
const unseen = (w, r) => r.data;
/** Losing a claim burns half of its bond, whoever wins it; losing a game half of the challenger's. */
const lie = (w) => w.p.claimBond / 2n;
const sham = (w) => w.c.bond / 2n;

export const games = [
  {
    name: "A false claim; an honest watchtower disputes it",
    least: lie,
    bound: () => 0n,
    why: "it wins a quarter of the bond, and its gas out of another",
    play(d, price, rng) {
      const w = new World(d, price);
      w.stake("attacker");
      const claim = w.ownClaim();
      const g = w.open(claim, "defender");
      const moves = pick(rng, w.moves(), 0n, w.moves());
      w.play(g, "defender", "challenger", moves < w.moves() ? moves + 1n : moves);
      w.play(g, "attacker", "executor", moves);
      if (moves === w.moves()) w.prove(g, "defender");
      else {
        w.act("defender", g, "challenger", "timeoutByChallenger");
        w.wins(g);
      }
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "The same by an error output to the longest question",
    least: lie,
    bound: () => 0n,
    why: "an error counts the longest answer's work; the quarter outweighs the dear opening",
    play(d, price) {
      const w = new World(d, price);
      w.stake("attacker");
      const claim = w.ownClaim(w.p.maxWork);
      const g = w.open(claim, "defender", "openLongest");
      w.play(g, "defender", "challenger");
      w.play(g, "attacker", "executor");
      w.prove(g, "defender");
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "A false claim that loses to its author's own sham challenger, who is quicker (or to a freeloader)",
    least: lie,
    bound: (w, r) => pocket(w) + unseen(w, r),
    why: "bond and gas come back; settling and withdrawing are its own",
    play(d, price, rng) {
      const w = new World(d, price);
      w.stake("attacker");
      const claim = w.ownClaim();
      const honest = w.open(claim, "defender");
      const quicker = w.open(claim, "attacker");
      w.play(honest, "defender", "challenger", pick(rng, w.moves() - 1n, 0n, w.moves()));
      w.play(quicker, "attacker", "challenger");
      w.play(quicker, "attacker", "executor");
      w.prove(quicker, "attacker");
      w.void(honest, "defender");
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "The same on the longest question, with 100 shams that thin out the gas pool",
    least: lie,
    // All that she spent, at worst; she need not open at a price at which she would mind.
    bound: (w, r) => r.spent,
    why: "her own gas of one game, of which the pool repays her part; her bond comes back",
    play(d, price, rng) {
      const w = new World(d, price);
      w.stake("attacker");
      const claim = w.ownClaim(w.p.maxWork);
      const honest = w.open(claim, "defender", "openLongest");
      const moves = pick(rng, w.moves() - 1n, 0n, w.moves());
      w.play(honest, "defender", "challenger", moves);
      w.note("spent", w.cost("openLongest") + moves * w.cost("move") + pocket(w));
      const shams = Array.from({ length: Number(pick(rng, 100n, 1n, 200n)) }, () => w.open(claim, "attacker", "openLongest"));
      w.play(shams[0], "attacker", "challenger");
      w.play(shams[0], "attacker", "executor");
      w.prove(shams[0], "attacker");
      for (const g of [honest, ...shams.slice(1)]) w.void(g, g.challenger);
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "A false claim whose author's sham challenger loses on purpose, to have the claim pass",
    least: lie,
    bound: () => 0n,
    why: "a sham's loss closes nothing; the honest game goes on and wins",
    play(d, price, rng) {
      const w = new World(d, price);
      w.stake("attacker");
      const claim = w.ownClaim();
      const shams = Array.from({ length: Number(pick(rng, 1n, 1n, 20n)) }, () => w.open(claim, "attacker"));
      const honest = w.open(claim, "defender");
      for (const g of shams) w.stopped(g, "attacker");
      w.play(honest, "defender", "challenger");
      w.play(honest, "attacker", "executor");
      w.prove(honest, "defender");
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "100 sham challengers play against a true claim to the end",
    least: sham,
    bound: (w, r) => w.cost("withdraw") + unseen(w, r) + r.waiting,
    why: "each move's gas is repaid from the shams' bonds; not repaid: an L2's data fee, and what the bond would earn in one clock more",
    play(d, price, rng) {
      const w = new World(d, price);
      const claim = w.honestClaim();
      const shams = Number(pick(rng, d.a.gamesAtOnce, 1n, 300n));
      for (let i = 0; i < shams; ++i) {
        const moves = pick(rng, w.moves(), 0n, w.moves());
        const g = w.open(claim, "attacker");
        w.play(g, "attacker", "challenger", moves);
        w.play(g, "defender", "executor", moves);
        w.stopped(g, "defender");
      }
      return waited(w, claim, w.p.allowance);
    },
  },
  {
    name: "Delay of a true claim: a sham challenger opens as the window closes and lets its clock run out",
    least: sham,
    per: (w) => w.p.allowance,
    bound: (w, r) => w.cost("withdraw") + unseen(w, r) + r.waiting,
    why: "once: games run side by side, so finality comes by window + two clocks at the latest",
    play(d, price) {
      const w = new World(d, price);
      const claim = w.honestClaim();
      w.stopped(w.open(claim, "attacker"), "defender");
      return waited(w, claim, w.p.allowance);
    },
  },
  {
    name: "Delay of an answer: a lie that uses up its author's clock, then the next",
    least: lie,
    per: (w) => w.p.allowance,
    bound: () => 0n,
    why: "each lie costs a bond, of which half is burned; the sequencer can give the question to others",
    play(d, price, rng) {
      const w = new World(d, price);
      const lies = pick(rng, 1n, 1n, 5n);
      w.stake("attacker", lies);
      let claim = w.ownClaim();
      for (let i = 0n; i < lies; ++i) {
        if (i > 0n) claim = w.c.claim(claim.r, "attacker", (w.time += w.p.allowance));
        const g = w.open(claim, "defender");
        w.play(g, "defender", "challenger");
        w.play(g, "attacker", "executor");
        w.prove(g, "defender");
        w.capital("defender", w.c.bond, w.p.allowance);
      }
      w.takeBack(claim);
      return [w, w.close()];
    },
  },
  {
    name: "Gas at three times the price that bonds reckon with, through all of a sham's game",
    least: sham,
    price: (d) => 3n * d.p.bondGasPrice,
    bound: (w, r) => r.short + w.cost("withdraw") + unseen(w, r) + r.waiting,
    why: "nothing up to the price among the figures; beyond it the executor waits, it has its whole clock",
    play(d, price, rng) {
      const w = new World(d, rng ? price * rng.between(1n, 10n) : price);
      const claim = w.honestClaim();
      const g = w.open(claim, "attacker");
      w.play(g, "attacker", "challenger");
      w.play(g, "defender", "executor");
      w.stopped(g, "defender");
      const gas = w.moves() * w.d.tx.move.counted + w.d.tx.timeoutByExecutor.counted;
      const beyond = gas * (w.price + w.tip) - w.c.bond / 2n;
      w.note("short", beyond > 0n ? beyond : 0n);
      return waited(w, claim, w.p.allowance);
    },
  },
];

/** The true claim becomes final after the delay, for which its bond earned nothing. */
function waited(w, claim, seconds) {
  const before = w.ledger.of("defender");
  w.capital("defender", w.p.claimBond, seconds);
  w.note("waiting", before - w.ledger.of("defender"));
  w.served(claim);
  return [w, w.close()];
}
