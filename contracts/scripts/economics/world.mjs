// One attack's world: the contracts, two purses (all that is the attacker's, all that is the defenders'), gas prices, time.
import { Contracts, Ledger } from "./money.mjs";

const PURSE = 10n ** 26n;
const YEAR = 365n * 86_400n;

export class World {
  /** `d` is the deployment: parameters `p`, assumptions `a`, transactions `tx`. `price` is the base fee in wei. */
  constructor(d, price = d.a.baseFee) {
    Object.assign(this, { d, p: d.p, price, tip: d.a.tip, time: 1n, notes: {} });
    // What asking and answering honestly costs and earns goes by a purse of its own: it is not the attack's.
    this.ledger = new Ledger({ attacker: PURSE, defender: PURSE, service: PURSE });
    this.aside = { earned: 0n, burned: 0n };
    this.data = { attacker: 0n, defender: 0n, service: 0n };
    this.c = new Contracts(d.p, this.ledger);
    this.honest = "defender";
  }

  /** What a transaction costs its sender, calldata's price on the chain below included. */
  cost(name) {
    return this.d.tx[name].paid * (this.price + this.tip) + this.dataCost(name);
  }
  dataCost(name) {
    return this.d.tx[name].bytes * this.d.a.dataFeePerByte;
  }
  pay(who, name) {
    this.data[who] += this.dataCost(name);
    this.ledger.move(who, "chain", this.cost(name));
  }
  /** `who` pays for a transaction of its game, and the game counts it. */
  act(who, g, role, name) {
    this.pay(who, name);
    const cap = this.price + this.p.tipCap;
    const price = this.price + this.tip < cap ? this.price + this.tip : cap;
    this.c.tally(g, role, (this.d.tx[name].counted * price) / 10n ** 9n);
  }
  /** What `amount` would have earned elsewhere in the meantime. */
  capital(who, amount, seconds) {
    this.ledger.move(who, "elsewhere", (amount * seconds * this.d.a.capitalPermille) / (1000n * YEAR));
  }
  note(key, value) {
    this.notes[key] = value;
  }

  // ---- what happens in most attacks -----------------------------------------------------------------------------------

  stake(who, bonds = 1n) {
    this.c.stake(who, bonds * this.p.claimBond);
  }
  /** The attacker asks itself and answers: whatever it claims, it needs nobody's question for it. */
  ownClaim(work = this.typicalWork()) {
    this.pay("attacker", "request");
    const r = this.c.request("attacker", work, 4n * this.p.claimBond);
    this.pay("attacker", "post");
    const claim = this.c.claim(r, "attacker", this.time);
    this.never(claim === null, "the attacker's claim was skipped");
    return claim;
  }
  /** Somebody's question with its true answer. */
  honestClaim() {
    this.pay("service", "request");
    const r = this.c.request("service", this.typicalWork(), this.p.claimBond);
    this.pay("service", "post");
    this.stake("defender");
    return this.c.claim(r, "defender", this.time);
  }
  /** The true answer is final; what it earned is not the attack's. */
  served(claim) {
    this.finalize(claim, "service");
    this.aside.earned += claim.r.fee - claim.burn;
    this.aside.burned += claim.burn;
  }
  /** The attacker takes back what it paid for a question that nobody answered rightly. */
  takeBack(claim) {
    this.pay("attacker", "refund");
    this.c.refund(claim.r);
  }
  /** A question of 300 bytes with 100 tokens of answer to a model of 1.17 GB, or the largest that may be asked. */
  typicalWork() {
    const work = 1_170_000_000n * 400n;
    return work < this.p.maxWork ? work : this.p.maxWork;
  }
  /** Moves of one player in a whole game that the challenger ends by its proof. */
  moves() {
    return (this.p.traceLog2 + this.p.arityLog2 - 1n) / this.p.arityLog2 / 2n;
  }
  open(claim, who, name = "open") {
    const g = this.c.open(claim, who);
    this.act(who, g, "challenger", name);
    return g;
  }
  play(g, who, role, moves = this.moves()) {
    for (let i = 0n; i < moves; ++i) this.act(who, g, role, "move");
  }
  prove(g, who) {
    this.act(who, g, "challenger", "prove");
    this.wins(g);
  }
  /** The challenger has won; an honest executor never loses. */
  wins(g) {
    this.never(g.claim.executor === this.honest, "an honest executor lost its bond");
    this.c.challengerWins(g);
    this.c.check();
  }
  /** The executor ends the game of a challenger that stopped; an honest challenger never does. */
  stopped(g, executor) {
    this.never(g.challenger === this.honest, "an honest challenger lost its bond");
    this.act(executor, g, "executor", "timeoutByExecutor");
    this.c.executorWins(g);
    this.c.check();
  }
  void(g, payer) {
    this.pay(payer, "settleVoid");
    this.c.settleVoid(g);
    this.c.check();
  }
  finalize(claim, payer) {
    this.pay(payer, "finalize");
    this.c.finalize(claim);
    this.c.check();
  }
  /** Everybody takes what is theirs; what each attack has cost. */
  close() {
    for (const who of ["attacker", "defender"]) {
      for (const where of ["inbox", "game"]) {
        if (!this.c.credits[where].has(who)) continue;
        const served = who === "defender" && where === "inbox" && this.aside.earned > 0n;
        this.pay(served ? "service" : who, "withdraw");
        this.c.withdrawCredit(where, who);
      }
      if (this.c.stakes.has(who)) this.c.unstake(who);
    }
    this.c.check();
    for (const where of ["staking", "inbox"]) this.never(this.ledger.of(where) !== 0n, `${where} keeps what is nobody's`);
    this.never(this.ledger.of("game") > BigInt(this.c.games.length), "the game keeps more than dust");
    const lost = (who) => PURSE - this.ledger.of(who);
    return {
      attacker: lost("attacker"),
      defender: lost("defender") + this.aside.earned,
      burned: this.ledger.of("burned") - this.aside.burned,
      data: this.data.defender,
      ...this.notes,
    };
  }
  never(is, what) {
    if (is) throw new Error(`${what} (base fee ${this.price})`);
  }
}
