// What the simulation reads instead of knowing: the deployments' parameters, measured gas, measured computing.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const contracts = join(dirname(fileURLToPath(import.meta.url)), "../..");
const repository = join(contracts, "..");
const read = (path) => readFileSync(join(repository, path), "utf8");

/** Parameters of one deployment, flat, as BigInt. */
export function parametersOf(name) {
  const groups = Object.values(JSON.parse(read("docs/parameters.json"))[name]);
  return Object.fromEntries(groups.flatMap((g) => Object.entries(g)).map(([k, v]) => [k, BigInt(v)]));
}

/** The three columns, by contract, and each parameter's unit and reason. */
export function table() {
  const { devnet, l2, l1, arguments: reasons } = JSON.parse(read("docs/parameters.json"));
  return { columns: { devnet, l2, l1 }, arguments: reasons };
}

/** What is assumed of a deployment's chain, as BigInt. */
export function assumptionsOf(name) {
  const all = JSON.parse(read("docs/parameters.json")).assumptions[name];
  return Object.fromEntries(Object.entries(all).map(([k, v]) => [k, BigInt(v)]));
}

const gasOf = (file) =>
  Object.fromEntries(Object.entries(JSON.parse(read(`contracts/snapshots/${file}.json`))).map(([k, v]) => [k, BigInt(v)]));

/** A proof's witness may be as long, docs/encoding.md; its calldata costs as much a byte, beside a proof's other gas. */
const WITNESS = 4096n;
const BYTE_GAS = 16n;

const TX_GAS = 21_000n;
const ZERO_BYTE_GAS = 4n;

/** A transaction of docs/gas.md, a callback without what its consumer does. */
function answered(name) {
  const gas = gasOf("gas_answers");
  const [zeros, others] = [gas[`${name}: zero bytes`], gas[`${name}: other bytes`]];
  const paid = TX_GAS + gas[`${name}: execution`] + ZERO_BYTE_GAS * zeros + BYTE_GAS * others;
  return { paid, counted: 0n, bytes: zeros + others };
}

/** Each transaction: `paid` gas, `counted` gas where the game counts, `bytes` of calldata. */
export function transactions() {
  const [economics, step] = [gasOf("economics"), gasOf("step")];
  const of = (name) => ({ paid: economics[name], counted: economics[`${name}, counted`] ?? 0n, bytes: economics[`${name}, bytes`] });
  const dearestStep = Object.values(step).reduce((a, b) => (a > b ? a : b)) + BYTE_GAS * WITNESS;
  const prove = of("prove, without its step");
  return {
    request: of("request"),
    post: of("postBatch of one"),
    claimDirect: of("claimDirect"),
    finalize: of("finalize"),
    refund: of("refund"),
    open: of("open"),
    openLongest: of("open, longest"),
    move: of("move"),
    prove: { paid: prove.paid + dearestStep, counted: prove.counted + dearestStep, bytes: prove.bytes + WITNESS },
    timeoutByExecutor: of("timeout by executor"),
    timeoutByChallenger: of("timeout by challenger"),
    settleVoid: of("settleVoid"),
    withdraw: of("withdrawCredit"),
    deliver: answered("callback"),
  };
}

/** Most gas that a callback may be given; a constant of the inbox. */
export function mostCallbackGas() {
  const found = read("contracts/src/rollup/Inbox.sol").match(/MAX_CALLBACK_GAS = ([0-9_]+);/);
  return BigInt(found[1].replaceAll("_", ""));
}

/** Everything about one deployment. */
export function deployment(name) {
  const rest = { tx: transactions(), computing: computing(), mostCallbackGas: mostCallbackGas() };
  return { name, p: parametersOf(name), a: assumptionsOf(name), ...rest };
}

/** Measured computing, docs/measurements.md: work (model bytes x tokens) that a challenger gets through in a second, at the
 *  slowest of the measured disputes; seconds of the shortest; work a second that a re-check is planned with. */
export function computing() {
  const text = read("docs/measurements.md");
  const section = text.slice(text.indexOf("## Whole disputes"), text.indexOf("## Drafting"));
  const rows = [];
  let mib = null;
  for (const line of section.split("\n")) {
    const row = line.replaceAll("*", "").match(/^\| (?:[0-9.]+B \(([0-9,]+) MiB\))? ?\| ([0-9]+) \| ([0-9.]+) s \| ([0-9.]+) s \|/);
    if (!row) continue;
    mib = row[1] ? Number(row[1].replace(",", "")) : mib;
    rows.push({ work: mib * 2 ** 20 * Number(row[2]), seconds: Number(row[3]) });
  }
  if (rows.length < 6) throw new Error("docs/measurements.md: the table of whole disputes was not read");
  const planned = read("contracts/bindings/src/deploy.rs").match(/WORK_PER_SECOND: u128 = ([0-9_]+);/);
  return {
    gameRate: BigInt(Math.floor(Math.min(...rows.map((r) => r.work / r.seconds)))),
    shortestGame: Math.min(...rows.map((r) => r.seconds)),
    checkRate: BigInt(planned[1].replaceAll("_", "")),
  };
}
