#!/usr/bin/env node
// Writes abi/<Contract>.json for every deployable contract, and abi/sources.sha256, from what forge builds.
//   node scripts/abi.mjs           regenerates
//   node scripts/abi.mjs --check   builds and compares, exits 1 on a difference
//   node scripts/abi.mjs --stale   compares the sources' hashes alone: needs node, not forge
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const abiDir = join(root, "abi");

/** Contracts of test/ that Rust's tests deploy; the rest of test/ is forge's alone. */
const harnesses = ["test/step/FloatHarness.sol"].map((f) => join(root, f));

const walk = (dir) =>
  readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => (e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)]));

/** One `hash  path` line for each file that decides the bytecode, as `sha256sum -c` reads it. */
function sourceHashes() {
  const files = [...walk(join(root, "src")), ...harnesses, ...["foundry.toml", "package-lock.json"].map((f) => join(root, f))];
  return files
    .map((f) => `${createHash("sha256").update(readFileSync(f)).digest("hex")}  ${relative(root, f)}\n`)
    .join("");
}

/** File name -> content of everything under abi/. */
function generate() {
  const build = ["scripts/forge.mjs", "build", "--offline", "--quiet", "src", ...harnesses];
  execFileSync(process.execPath, build, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const out = new Map();
  for (const source of [...walk(join(root, "src")), ...harnesses]) {
    const artifacts = join(root, "out", source.split("/").pop());
    if (!existsSync(artifacts)) continue;
    for (const file of readdirSync(artifacts)) {
      const a = JSON.parse(readFileSync(join(artifacts, file), "utf8"));
      const path = Object.keys(a.metadata?.settings?.compilationTarget ?? {})[0];
      const callable = a.abi.some((item) => item.type === "function" || item.type === "fallback");
      if (path !== relative(root, source) || a.bytecode.object === "0x" || !callable) continue;
      const json = {
        contractName: file.replace(/\.json$/, ""),
        sourceName: path,
        abi: a.abi,
        bytecode: a.bytecode.object,
        deployedBytecode: a.deployedBytecode.object,
        immutableReferences: a.deployedBytecode.immutableReferences ?? {},
      };
      if (/__\$/.test(json.bytecode)) throw new Error(`${file} needs linking`);
      const size = (json.deployedBytecode.length - 2) / 2;
      if (size >= 24576) throw new Error(`${file}: ${size} bytes of code, the limit is 24,575`);
      out.set(`${json.contractName}.json`, `${JSON.stringify(json, null, 1)}\n`);
    }
  }
  out.set("sources.sha256", sourceHashes());
  return out;
}

const mode = process.argv[2] ?? "";
if (mode === "--stale") {
  if (readFileSync(join(abiDir, "sources.sha256"), "utf8") !== sourceHashes()) {
    console.error("contracts/abi is older than contracts/src: run `npm run abi` in contracts/");
    process.exit(1);
  }
} else if (mode === "--check") {
  const fresh = generate();
  const names = new Set([...fresh.keys(), ...readdirSync(abiDir)]);
  const differ = [...names].filter((n) => {
    const file = join(abiDir, n);
    return !fresh.has(n) || !existsSync(file) || readFileSync(file, "utf8") !== fresh.get(n);
  });
  if (differ.length) {
    console.error(`contracts/abi differs from what contracts/src compiles to: ${differ.join(", ")}; run \`npm run abi\` in contracts/`);
    process.exit(1);
  }
} else if (mode === "") {
  const fresh = generate();
  rmSync(abiDir, { recursive: true, force: true });
  mkdirSync(abiDir);
  for (const [name, content] of fresh) writeFileSync(join(abiDir, name), content);
  console.log(`wrote ${fresh.size} files to contracts/abi`);
} else {
  console.error("usage: abi.mjs [--check | --stale]");
  process.exit(2);
}
