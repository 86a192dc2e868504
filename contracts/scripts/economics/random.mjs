// A seeded generator (SplitMix64), so that a run can be repeated anywhere.

const MASK = (1n << 64n) - 1n;

export class Random {
  constructor(seed) {
    this.state = BigInt(seed) & MASK;
  }
  next() {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & MASK;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  }
  /** A whole number from `low` to `high`, both included; the bias of the remainder is below 2^-20 here. */
  between(low, high) {
    return BigInt(low) + (this.next() % (BigInt(high) - BigInt(low) + 1n));
  }
  chance(oneIn) {
    return this.between(1, oneIn) === 1n;
  }
  /** Like `between`, each doubling as likely as the next. */
  scale(low, high) {
    let top = BigInt(low);
    const steps = [top];
    while (top * 2n < high) steps.push((top *= 2n));
    const from = steps[Number(this.between(0, steps.length - 1))];
    return this.between(from, from * 2n < high ? from * 2n : high);
  }
}
