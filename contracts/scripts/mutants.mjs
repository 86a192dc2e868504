#!/usr/bin/env node
// Compiles the step contracts with every mutation in them, each behind a selector, for `make mutants` (docs/mutants.md).
//   node scripts/mutants.mjs <folder> [contract ...]   writes <folder>/mutants.json and <folder>/<Contract>.<round>.json
//
// Each site of the compiler's syntax tree becomes a call of a helper that asks `block.number` which mutant to be; a number
// that is no mutant's gives the contract as it is. The rewritten sources stay in memory. A function that no longer fits the
// EVM's stack keeps half of its sites, the others come in a second round.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { contractsOf, rewrite, sitesOf } from "./mutants/rewrite.mjs";
import { readSources } from "./mutants/sources.mjs";
import { library } from "./mutants/helpers.mjs";

const require = createRequire(import.meta.url);
const solc = require("solc");
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [folder, ...only] = process.argv.slice(2);
if (!folder) {
  console.error("usage: mutants.mjs <folder> [contract ...]");
  process.exit(2);
}

/** foundry.toml's settings that decide the bytecode. */
const settings = () => {
  const toml = readFileSync(join(root, "foundry.toml"), "utf8");
  const value = (key) => toml.match(new RegExp(`^${key} = "?([^"\\n]*)"?$`, "m"))[1];
  return {
    optimizer: { enabled: value("optimizer") === "true", runs: Number(value("optimizer_runs")) },
    viaIR: value("via_ir") === "true",
    evmVersion: value("evm_version"),
    metadata: { bytecodeHash: value("bytecode_hash"), appendCBOR: value("cbor_metadata") === "true" },
  };
};

/** The compiler's answer to `texts`, with the outputs that `selection` names. */
function compile(texts, selection) {
  const sources = Object.fromEntries([...texts].map(([path, content]) => [path, { content }]));
  const input = { language: "Solidity", sources, settings: { ...settings(), outputSelection: selection } };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  output.failures = (output.errors ?? []).filter((e) => e.severity === "error");
  return output;
}

const analysis = { "*": { "": ["ast"] } };
const originals = readSources(root);
const tree = compile(originals, analysis);
if (tree.failures.length) throw new Error(tree.failures[0].formattedMessage);
const asts = new Map(Object.entries(tree.sources).map(([path, s]) => [path, s.ast]));
const sites = sitesOf(originals, asts);
const dropped = new Map();

/** The sources with the sites of `active` rewritten, and the helpers that they call. */
const mutated = (active) => {
  const { texts, helpers } = rewrite(originals, asts, sites, active);
  return texts.set("Mutants.sol", library(helpers));
};

/** The site of `texts` that an error is about: the last whose number stands before the error's end. */
function siteAt(texts, { file, end }) {
  const before = Buffer.from(texts.get(file)).subarray(0, end).toString();
  const numbers = [...before.matchAll(/0x(a[0-9a-f]{5})\b/g)];
  const after = Buffer.from(texts.get(file)).subarray(end).toString().match(/0x(a[0-9a-f]{5})\b/);
  const number = Number.parseInt((numbers.at(-1) ?? after)[1], 16);
  return sites.find((s) => s.id === number);
}

/** Drops the sites whose types the helpers do not fit. */
function checkTypes() {
  for (;;) {
    const active = new Set(sites.filter((s) => !dropped.has(s)));
    const texts = mutated(active);
    const { failures } = compile(texts, analysis);
    if (!failures.length) return;
    for (const failure of failures) {
      const site = failure.sourceLocation && siteAt(texts, failure.sourceLocation);
      if (!site || !active.has(site)) throw new Error(failure.formattedMessage);
      if (dropped.has(site)) continue;
      dropped.set(site, failure.message);
      console.error(`type: ${site.file}:${site.line}: ${site.mutations[0].original}: ${failure.message}`);
    }
  }
}

/** Compiles `name` with as many of `wanted` as fit; returns its code, those and the others. */
function round(name, path, wanted) {
  const active = new Set(wanted);
  const rest = [];
  for (;;) {
    const texts = mutated(active);
    const output = compile(texts, { [path]: { [name]: ["evm.bytecode.object", "evm.deployedBytecode.object"] } });
    if (!output.failures.length) {
      const { bytecode, deployedBytecode } = output.contracts[path][name].evm;
      return { creation: bytecode.object, runtime: deployedBytecode.object, active: [...active], rest };
    }
    const failure = output.failures[0];
    if (!/too deep/i.test(failure.formattedMessage) || !failure.sourceLocation) throw new Error(failure.formattedMessage);
    const near = siteAt(texts, failure.sourceLocation);
    const crowd = [...active].filter((s) => s.file === near.file && s.unit === near.unit);
    if (!crowd.length) throw new Error(failure.formattedMessage);
    console.error(`${name}: ${near.unit} of ${near.file} has ${crowd.length} sites too many for the stack`);
    if (crowd.length === 1) dropped.set(crowd[0], failure.message);
    const out = crowd.length === 1 ? crowd : crowd.filter((_, i) => i % 2 === 1);
    for (const site of out) active.delete(site);
    if (crowd.length > 1) rest.push(...out);
  }
}

mkdirSync(folder, { recursive: true });
checkTypes();
for (const { name, path, files } of contractsOf(asts)) {
  if (only.length && !only.includes(name)) continue;
  let wanted = sites.filter((s) => files.has(s.file) && !dropped.has(s));
  for (let n = 1; wanted.length; ++n) {
    const started = Date.now();
    const { creation, runtime, active, rest } = round(name, path, wanted);
    const json = { contract: name, creation, runtime, sites: active.map((s) => s.id) };
    writeFileSync(join(folder, `${name}.${n}.json`), JSON.stringify(json));
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(`${name}, round ${n}: ${active.length} sites, ${runtime.length / 2} bytes, ${seconds} s`);
    wanted = rest;
  }
}
const list = sites.map(({ id, file, line, unit, mutations }) => ({ id, file, line, unit, mutations }));
const lost = [...dropped].map(([s, why]) => ({ id: s.id, why }));
writeFileSync(join(folder, "mutants.json"), JSON.stringify({ sites: list, dropped: lost }, null, 1));
const mutants = sites.reduce((n, s) => n + s.mutations.length, 0);
console.log(`${sites.length} sites, ${mutants} mutants, ${lost.length} sites dropped`);
