// The money rules of src/, exactly: bonds, gas tallies, pools, work, fees. Amounts are BigInt wei, tallies BigInt gwei.
// test/economics/Economics.t.sol holds this file to the contracts, to the wei.

const GWEI = 10n ** 9n;
const MAX_GAS_GWEI = (1n << 44n) - 1n;
const min = (a, b) => (a < b ? a : b);

/** The executor's worst game, as DisputeGame reckons it. */
export function executorWorstGas(p) {
  const moves = (p.traceLog2 + p.arityLog2 - 1n) / p.arityLog2;
  const oneMove = 60_000n + (1_600n << p.arityLog2);
  return (moves / 2n) * oneMove + (moves % 2n) * 550_000n + 120_000n;
}

export const challengerBond = (p) => 2n * executorWorstGas(p) * p.bondGasPrice;
export const batchCap = (p) => p.workPerWindow / 2n - directCap(p);
export const directCap = (p) => p.workPerWindow / 10n;

/** Wei burned for `work` that lifts a share of `cap` from `level`; WorkMeter.cost. */
export function workCost(p, cap, level, work) {
  const area = (at) => {
    const scaled = at * p.workPriceDoublings;
    const doubled = 1n << (scaled / cap);
    const rest = scaled % cap;
    return 3n * (doubled - 1n) * cap * cap + doubled * rest * (2n * cap + rest);
  };
  const unit = (2n * p.workPriceDoublings * cap) << 20n;
  return (p.workPriceFloor * (area(level + work) - area(level)) + unit - 1n) / unit;
}

/** Twice what a claim burns that finds the direct share idle; null where it never fits. */
export const leastFee = (p, work) => (work > directCap(p) ? null : 2n * workCost(p, directCap(p), 0n, work));

/** How full the two shares of the window are; WorkMeter.add. */
export class Work {
  constructor(p) {
    Object.assign(this, { p, time: 0n, batch: 0n, direct: 0n });
  }
  drain(time) {
    const elapsed = time - this.time;
    const less = (level, cap) => {
      const drained = (elapsed * cap) / this.p.window;
      return level > drained ? level - drained : 0n;
    };
    return [less(this.batch, batchCap(this.p)), less(this.direct, directCap(this.p))];
  }
  /** The wei that a claim burns, or null, and nothing changes, where it is skipped. */
  claim(time, work, direct, fee) {
    const [batch, directly] = this.drain(time);
    const [cap, level] = direct ? [directCap(this.p), directly] : [batchCap(this.p), batch];
    if (level + work > cap) return null;
    const burned = workCost(this.p, cap, level, work);
    if (2n * burned > fee) return null;
    this.time = time;
    [this.batch, this.direct] = direct ? [batch, directly + work] : [batch + work, directly];
    return burned;
  }
}

/** Who has which wei. Every wei moves from somebody to somebody, and nobody has less than none. */
export class Ledger {
  constructor(endowments) {
    this.has = new Map(Object.entries(endowments));
    this.total = this.sum();
  }
  sum() {
    return [...this.has.values()].reduce((a, b) => a + b, 0n);
  }
  of(who) {
    return this.has.get(who) ?? 0n;
  }
  move(from, to, amount) {
    if (amount < 0n || this.of(from) < amount) throw new Error(`${from} can't pay ${amount} to ${to}`);
    this.has.set(from, this.of(from) - amount);
    this.has.set(to, this.of(to) + amount);
  }
}

/** Inbox, Staking, Rollup and DisputeGame as far as money goes. Who is right is for the scenario to say. */
export class Contracts {
  constructor(p, ledger) {
    Object.assign(this, { p, ledger, bond: challengerBond(p), work: new Work(p) });
    this.credits = { inbox: new Map(), game: new Map() };
    this.stakes = new Map();
    this.requests = [];
    this.games = [];
    this.pools = [];
  }

  credit(where, who, amount) {
    this.credits[where].set(who, (this.credits[where].get(who) ?? 0n) + amount);
  }
  withdrawCredit(where, who) {
    this.ledger.move(where, who, this.credits[where].get(who) ?? 0n);
    this.credits[where].delete(who);
  }

  stake(who, amount) {
    this.ledger.move(who, "staking", amount);
    const account = this.stakes.get(who) ?? { staked: 0n, locked: 0n };
    account.staked += amount;
    this.stakes.set(who, account);
  }
  unstake(who) {
    const account = this.stakes.get(who);
    const free = account.staked - account.locked;
    account.staked = account.locked;
    this.ledger.move("staking", who, free);
  }

  /** Asks; `fee` and `callbackFee` go to the inbox. */
  request(asker, work, fee, callbackFee = 0n, minBond = 0n) {
    if (work > this.p.maxWork || fee < leastFee(this.p, work)) throw new Error("refused");
    this.ledger.move(asker, "inbox", fee + callbackFee);
    const bond = minBond > this.p.claimBond ? minBond : this.p.claimBond;
    const r = { asker, work, fee, callbackFee, bond, state: "open", paidHalves: 0 };
    this.requests.push(r);
    return r;
  }
  /** A claim on `r`, or null where it is skipped. */
  claim(r, executor, time, direct = false) {
    const account = this.stakes.get(executor);
    if (r.state !== "open" || account.staked - account.locked < r.bond) return null;
    const burn = this.work.claim(time, r.work, direct, r.fee);
    if (burn === null) return null;
    account.locked += r.bond;
    r.state = "claimed";
    return (r.standing = { r, executor, burn, postedAt: time, open: 0n, lost: false, gas: 0n, pool: 0n });
  }
  finalize(claim) {
    const { r } = claim;
    if (r.state !== "claimed" || claim.open !== 0n || claim.lost) throw new Error("disputed");
    this.stakes.get(claim.executor).locked -= r.bond;
    r.state = "final";
    this.credit("inbox", claim.executor, r.fee - claim.burn);
    this.ledger.move("inbox", "burned", claim.burn);
  }
  refund(r) {
    if (r.state !== "open") throw new Error("not open");
    r.state = "refunded";
    this.credit("inbox", r.asker, r.fee + this.unpaid(r));
    r.paidHalves = 3;
  }
  half(r, half) {
    return half === 1 ? r.callbackFee / 2n : r.callbackFee - r.callbackFee / 2n;
  }
  unpaid(r) {
    return [1, 2].reduce((sum, half) => sum + (r.paidHalves & half ? 0n : this.half(r, half)), 0n);
  }
  /** A callback of Optimistic delivery: the result takes the first half of its fee, finality or an overturn the second. */
  deliver(r, deliverer, isResult) {
    const half = isResult ? 1 : 2;
    if (!(r.paidHalves & half)) this.credit("inbox", deliverer, this.half(r, half));
    r.paidHalves |= half;
  }

  // ---- the game -------------------------------------------------------------------------------------------------------

  open(claim, challenger) {
    if (claim.lost) throw new Error("lost already");
    this.ledger.move(challenger, "game", this.bond);
    ++claim.open;
    const g = { claim, challenger, gas: { challenger: 0n, executor: 0n }, status: "running" };
    this.games.push(g);
    return g;
  }
  /** Adds `gwei` to a player's tally, as a transaction of that player does. */
  tally(g, role, gwei) {
    const sum = min(g.gas[role] + gwei, MAX_GAS_GWEI);
    if (role === "challenger") g.claim.gas += sum - g.gas[role];
    g.gas[role] = sum;
  }
  challengerWins(g) {
    this.end(g, "won");
    const { claim } = g;
    const { r } = claim;
    const quarter = r.bond / 4n;
    claim.pool = min(quarter / GWEI, claim.gas);
    claim.lost = true;
    const burned = r.bond - quarter - claim.pool * GWEI;
    const account = this.stakes.get(claim.executor);
    account.locked -= r.bond;
    account.staked -= r.bond;
    this.ledger.move("staking", "game", r.bond);
    this.ledger.move("game", "burned", burned);
    this.credit("game", g.challenger, this.bond + quarter + this.share(g));
    // The claim's burn is void; the fee is whole for the next one.
    [r.state, r.standing] = ["open", null];
    return burned;
  }
  executorWins(g) {
    this.end(g, "lost");
    g.claim.gas -= g.gas.challenger;
    const repaid = min(g.gas.executor * GWEI, this.bond / 2n);
    this.credit("game", g.claim.executor, repaid);
    this.ledger.move("game", "burned", this.bond - repaid);
    return repaid;
  }
  settleVoid(g) {
    if (!g.claim.lost) throw new Error("the claim stands");
    this.end(g, "void");
    this.credit("game", g.challenger, this.bond + this.share(g));
  }
  end(g, status) {
    if (g.status !== "running" || (g.claim.lost && status !== "void")) throw new Error("not running");
    g.status = status;
    --g.claim.open;
  }
  share(g) {
    const { claim } = g;
    return claim.gas === 0n ? 0n : (claim.pool * GWEI * g.gas.challenger) / claim.gas;
  }

  // ---- what must hold at any time ---------------------------------------------------------------------------------------

  /** Throws unless each contract has what it owes, and the game no more than dust beyond it, and no wei came or went. */
  check() {
    const owed = (where) => [...this.credits[where].values()].reduce((a, b) => a + b, 0n);
    const same = (what, has, owes, dust = 0n) => {
      if (has < owes || has > owes + dust) throw new Error(`${what} has ${has} and owes ${owes}`);
    };
    same("ledger", this.ledger.sum(), this.ledger.total);
    const staked = [...this.stakes.values()].reduce((sum, s) => sum + s.staked, 0n);
    same("staking", this.ledger.of("staking"), staked);
    const held = this.requests.reduce((sum, r) => {
      if (r.state === "refunded") return sum;
      return sum + this.unpaid(r) + (r.state === "final" ? 0n : r.fee);
    }, 0n);
    same("inbox", this.ledger.of("inbox"), held + owed("inbox"));
    const running = this.games.filter((g) => g.status === "running");
    const bonds = running.reduce((sum, g) => sum + this.bond + (g.claim.lost ? this.share(g) : 0n), 0n);
    same("game", this.ledger.of("game"), bonds + owed("game"), BigInt(this.games.length));
    for (const [who, s] of this.stakes) if (s.locked > s.staked) throw new Error(`${who} backs more than its stake`);
  }
}
