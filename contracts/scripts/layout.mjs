#!/usr/bin/env node
// Writes snapshots/layout.txt: the code size and the storage layout of every deployable contract.
//   node scripts/layout.mjs           regenerates
//   node scripts/layout.mjs --check   compares, exits 1 on a difference
// The sizes are those of abi/, which abi.mjs holds to the sources.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyse } from "./analysis/compile.mjs";

/** EIP-170 allows as much; one byte less is our limit. */
const CODE_LIMIT = 24_576;
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const file = join(root, "snapshots/layout.txt");

/** Name, source and code size of what is deployed: abi/ without the tests' harnesses. */
function deployed() {
  return readdirSync(join(root, "abi"))
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(root, "abi", name), "utf8")))
    .filter((a) => a.sourceName.startsWith("src/"))
    .map((a) => ({ name: a.contractName, source: a.sourceName, size: (a.deployedBytecode.length - 2) / 2 }));
}

/** Ids of the structs that a type holds, keeps behind a mapping or has elements of, outermost first, into `found`. */
function structsOf(types, id, found) {
  const type = types[id];
  if (found.has(id)) return;
  if (type.members) found.add(id);
  const inner = [type.key, type.value, type.base, ...(type.members ?? []).map((m) => m.type)];
  for (const t of inner.filter(Boolean)) structsOf(types, t, found);
}

const line = (types, indent, v) => {
  const { label, numberOfBytes } = types[v.type];
  return `${indent}slot ${v.slot} offset ${v.offset}: ${v.label}, ${label}, ${numberOfBytes} bytes\n`;
};

/** A contract's variables, then the members of each struct among them. */
function layoutText({ storage, types }) {
  if (!storage.length) return "  no storage\n";
  const structs = new Set();
  for (const v of storage) structsOf(types, v.type, structs);
  const members = [...structs].map(
    (id) => `  ${types[id].label}\n${types[id].members.map((m) => line(types, "    ", m)).join("")}`,
  );
  return storage.map((v) => line(types, "  ", v)).join("") + members.join("");
}

function generate() {
  const { output } = analyse(root, ["storageLayout"]);
  const parts = deployed().map(({ name, source, size }) => {
    if (size >= CODE_LIMIT) throw new Error(`${name}: ${size} bytes of code, the limit is ${CODE_LIMIT - 1}`);
    const layout = output.contracts[source]?.[name]?.storageLayout;
    if (!layout) throw new Error(`${name} of contracts/abi is not in ${source}: run \`npm run abi\` in contracts/`);
    return `${name} (${source}): ${size} bytes of code\n${layoutText(layout)}`;
  });
  return `# Written by scripts/layout.mjs; do not edit.\n\n${parts.join("\n")}`;
}

const mode = process.argv[2] ?? "";
if (mode === "--check") {
  if (readFileSync(file, "utf8") !== generate()) {
    console.error("contracts/snapshots/layout.txt differs from contracts/src: run `npm run layout` in contracts/");
    process.exit(1);
  }
} else if (mode === "") {
  writeFileSync(file, generate());
} else {
  console.error("usage: layout.mjs [--check]");
  process.exit(2);
}
