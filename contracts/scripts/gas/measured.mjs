// What test/gas has measured (snapshots/gas_*.json), and what transactions cost by it.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ARITIES = [2, 16, 32, 64, 4096];
export const BATCHES = [1, 10, 100, 1000];

/** Blob gas of one blob, and its elements. */
export const BLOB_GAS = 131_072;
export const ELEMENTS = 4096;

/** Gas of any transaction. */
export const BASE = 21_000;
/** The reaches set for the contracts, and the limits of the chain. */
export const REACH = { result: 25_000, dispute: 1_200_000 };
export const TX_LIMIT = 2 ** 24;
export const BLOCK_LIMITS = [30_000_000, 36_000_000, 60_000_000];
export const POOL_BYTES = 131_072;

/** Name -> what was measured of it: `{ execution, "zero bytes", ... }`, in the order of the file. */
export function group(root, name) {
  const file = join(root, "snapshots", `gas_${name}.json`);
  const found = {};
  for (const [key, value] of Object.entries(JSON.parse(readFileSync(file, "utf8")))) {
    const [action, part] = key.split(": ");
    if (part === undefined) found[action] = Number(value);
    else (found[action] ??= {})[part] = Number(value);
  }
  return found;
}

/** What a transaction costs: without a floor, with that of EIP-7623, with that of EIP-7976. */
export function costs(m) {
  const [zeros, others] = [m["zero bytes"], m["other bytes"]];
  const bytes = zeros + others;
  const calldata = 4 * zeros + 16 * others;
  const standard = calldata + m.execution;
  const floored = (floor) => BASE + Math.max(standard, floor);
  return {
    none: BASE + standard,
    today: floored(10 * zeros + 40 * others),
    planned: floored(64 * bytes),
    execution: m.execution,
    calldata,
    bytes,
  };
}

export const sum = (list) =>
  list.reduce((a, b) => Object.fromEntries(Object.keys(b).map((key) => [key, (a[key] ?? 0) + b[key]])), {});

/** A dispute's transactions at one arity. */
export function dispute(root, k) {
  const { open, proof, whole, ...moves } = group(root, `dispute_k${k}`);
  const list = Object.values(moves).map(costs);
  const all = sum([costs(open), ...list, costs(proof)]);
  if (all.today !== whole) throw new Error(`k = ${k}: the test's sum is ${whole}, ours ${all.today}`);
  return { open: costs(open), moves: list, proof: costs(proof), whole: all };
}

/** A batch whose outputs are in blobs: what it costs, how many blobs, elements of one output. */
function blobBatch(root, count) {
  const { batch, blobs, elements } = group(root, `blob_batch_${count}`);
  return { cost: costs(batch), blobs, elements };
}

/** The median and the dearest step of real bytecode, each opcode at its dearest. */
export function steps(root) {
  const text = readFileSync(join(root, "../tests/snapshots/osp_gas_opcodes.txt"), "utf8");
  const all = [...text.matchAll(/^(\S.*?) +(\d+) gas +(\d+) bytes/gm)].map(([, name, gas, bytes]) => ({
    name,
    execution: Number(gas),
    witness: Number(bytes),
  }));
  all.sort((a, b) => a.execution - b.execution || a.witness - b.witness);
  const like = (gas) => all.filter((s) => s.execution === gas).at(-1);
  return { median: like(all[Math.floor(all.length / 2)].execution), dearest: like(all.at(-1).execution), count: all.length };
}

/** Everything that the page says, from one place. */
export function measured(root) {
  const step = steps(root);
  const ending = group(root, "ending");
  for (const which of ["median", "dearest"]) {
    const used = ending[`${which} step`];
    if (used.execution !== step[which].execution || used["witness bytes"] !== step[which].witness) {
      throw new Error(
        `test/gas/Dispute.t.sol reckons with a ${which} step of ${used.execution} gas and ${used["witness bytes"]} bytes of witness; ` +
          `tests/snapshots/osp_gas_opcodes.txt has ${step[which].execution} and ${step[which].witness}: change its constants`,
      );
    }
  }
  return {
    step,
    ending,
    answers: group(root, "answers"),
    answersSplit: group(root, "answers_split"),
    result: group(root, "result"),
    batches: Object.fromEntries(BATCHES.map((n) => [n, costs(group(root, `batch_${n}`).batch)])),
    batchSplit: group(root, "batch_100_split").batch,
    blobBatches: Object.fromEntries(BATCHES.map((n) => [n, blobBatch(root, n)])),
    blobOpen: Object.fromEntries(Object.entries(group(root, "blob_open")).map(([name, c]) => [name, costs(c)])),
    disputes: Object.fromEntries(ARITIES.map((k) => [k, dispute(root, k)])),
    blobs: dispute(root, "4096_blobs"),
    disputeSplit: group(root, "dispute_k32_split"),
  };
}
