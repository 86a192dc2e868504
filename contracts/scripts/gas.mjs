#!/usr/bin/env node
// Writes docs/gas.md from what tests measure (snapshots, those of the economics too) and from the committed costs of single steps.
//   node scripts/gas.mjs             measures and regenerates
//   node scripts/gas.mjs --check     measures and compares, exits 1 on a difference
//   node scripts/gas.mjs --out FILE  adds the committed figures to the JSON object in FILE, measuring nothing
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ARITIES, BASE, BATCHES, costs, measured } from "./gas/measured.mjs";
import { page } from "./gas/page.mjs";

// Every test that writes a snapshot.
const MEASURING = "test/{gas/*,economics/*,step/StepFloats.t.sol}";
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const file = join(root, "../docs/gas.md");
const again = "run `npm run gas` in contracts/ and look at the difference";

function fail(...lines) {
  console.error(lines.join("\n"));
  process.exit(1);
}

/** Runs what measures: it writes the snapshots, or compares them where `check` is set. */
function measure(check) {
  const args = ["test", "--offline", "--match-path", MEASURING];
  const env = { ...process.env, FORGE_SNAPSHOT_CHECK: `${check}`, FORGE_SNAPSHOT_EMIT: `${!check}` };
  const { status, stdout, stderr } = spawnSync(join(root, "scripts/forge.sh"), args, { cwd: root, env, encoding: "utf8" });
  if (status === 0) return;
  fail(`${stdout ?? ""}${stderr ?? ""}`, `a test that measures fails, or contracts/snapshots differ: ${again}`);
}

/** Flat names and whole numbers, as `make bench` writes them. */
function figures() {
  const m = measured(root);
  const flat = {
    "gas.request": costs(m.answers.request).today,
    "gas.finalize": costs(m.answers.finalize).today,
    "gas.callback": costs(m.answers.callback).today,
    "gas.move_k32": Math.max(...m.disputes[32].moves.map((move) => move.today)),
    "gas.osp_median": m.step.median.execution,
  };
  for (const n of BATCHES) {
    flat[`gas.result_at_${n}`] = Math.round((BASE + m.batches[n].execution) / n);
    flat[`gas.result_blob_at_${n}`] = Math.round((BASE + m.blobBatches[n].cost.execution) / n);
  }
  for (const k of ARITIES) flat[`gas.dispute_k${k}`] = m.disputes[k].whole.today;
  // What 4096 is for; in calldata it is no more than possible.
  flat["gas.dispute_k4096_calldata"] = flat["gas.dispute_k4096"];
  flat["gas.dispute_k4096"] = m.blobs.whole.today;
  return flat;
}

/** Adds the figures to what is in `out`. */
function merge(out) {
  const old = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : {};
  if (old === null || typeof old !== "object" || Array.isArray(old)) fail(`${out} holds no JSON object`);
  const all = Object.entries({ ...old, ...figures() }).sort(([a], [b]) => (a < b ? -1 : 1));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}

const [mode, out, ...more] = process.argv.slice(2);
if (mode === undefined) {
  measure(false);
  writeFileSync(file, page(measured(root)));
} else if (mode === "--check" && out === undefined) {
  measure(true);
  const committed = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (committed !== page(measured(root))) fail(`docs/gas.md is not what the contracts cost: ${again}`);
} else if (mode === "--out" && out !== undefined && more.length === 0) {
  merge(resolve(out));
} else {
  console.error("usage: gas.mjs [--check | --out FILE]");
  process.exit(2);
}
