// Plays every attack as on the page, and many times at random, and asserts what must hold each time.
import { deployment } from "./facts.mjs";
import { games } from "./games.mjs";
import { checkLaws } from "./laws.mjs";
import { Random } from "./random.mjs";
import { service } from "./service.mjs";

export const attacks = [...games, ...service];

/** The deployments whose economics are shown, each with the laws of its parameters checked. */
export function deployments() {
  const [l1, l2] = ["l1", "l2"].map(deployment);
  // What is forced into the L2 is paid for on L1.
  l2.below = { price: l1.a.baseFee + l1.a.tip };
  for (const d of [l1, l2]) checkLaws(d);
  return [l1, l2];
}

/** One attack; throws if defenders are left with more than the bound, or the attacker with less cost than it says. */
function playOnce(attack, d, price, rng) {
  const [w, result] = attack.play(d, price, rng);
  const say = (what) => {
    throw new Error(`${d.name}, "${attack.name}", base fee ${w.price}: ${what}`);
  };
  const bound = attack.bound(w, result);
  if (result.defender > bound) say(`defenders lose ${result.defender} wei, more than ${bound}`);
  const least = attack.least?.(w) ?? 0n;
  if (result.attacker < least) say(`the attacker loses ${result.attacker} wei, less than ${least}`);
  if (result.attacker < result.burned) say(`${result.burned} wei were burned, and the attacker lost ${result.attacker}`);
  const seconds = attack.per?.(w);
  return { ...result, bound, perHour: seconds ? (result.attacker * 3600n) / seconds : null };
}

/** Each attack at the assumed base fee. */
export const typical = (d) => attacks.map((attack) => playOnce(attack, d, attack.price?.(d) ?? d.a.baseFee, null));

/** Each attack `runs` times: any base fee up to what the bonds reckon with, any data fee up to ten times the assumed one. */
export function atRandom(d, seed, runs) {
  const rng = new Random(seed);
  for (const attack of attacks) {
    for (let i = 0; i < runs; ++i) {
      const data = d.a.dataFeePerByte * rng.between(0n, 10n);
      const price = attack.price?.(d) ?? rng.scale(d.a.baseFee / 10n, d.p.bondGasPrice - d.a.tip);
      playOnce(attack, { ...d, a: { ...d.a, dataFeePerByte: data } }, price, rng);
    }
  }
  return attacks.length * runs;
}
