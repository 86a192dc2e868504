#!/usr/bin/env node
// Runs Slither over src/ and holds every finding to its answer in slither.json, of which docs/slither.md is the readable form.
//   node scripts/slither.mjs           exits 1 on a finding without an answer, an answer without a finding, another docs/slither.md
//   node scripts/slither.mjs --write   writes docs/slither.md, and the unanswered findings to the end of slither.json
// Exits 3 where Slither can't be had: no venv module, or no package index within reach.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyse } from "./analysis/compile.mjs";
import { judge, normalized, page } from "./analysis/answers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const work = join(root, "../target/slither");
const venv = join(work, "venv");
const requirements = join(root, "scripts/analysis/requirements.txt");
const answersFile = join(root, "slither.json");
const pageFile = join(root, "../docs/slither.md");

const run = (command, args, env = process.env) =>
  spawnSync(command, args, { cwd: root, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Slither with every package at the version of requirements.txt; the file's copy in the environment says that all came. */
function install() {
  const stamp = join(venv, "requirements.txt");
  const wanted = readFileSync(requirements, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  rmSync(venv, { recursive: true, force: true });
  const steps = [
    ["python3", ["-m", "venv", venv]],
    [join(venv, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "-r", requirements]],
  ];
  for (const [command, args] of steps) {
    const { status, stderr, stdout } = run(command, args);
    if (status === 0) continue;
    console.error(`${stderr ?? ""}${stdout ?? ""}Slither can't be had here: it needs Python 3.10 with venv, and its packages`);
    process.exit(3);
  }
  writeFileSync(stamp, wanted);
}

/** The compiler's answer in the form of forge's build-info. Slither reads trees, so no code is made for it. */
function compile() {
  const { input, output, version } = analyse(root, ["abi"]);
  const code = { object: "", sourceMap: "" };
  for (const contract of Object.values(output.contracts).flatMap(Object.values)) {
    contract.evm = { bytecode: code, deployedBytecode: code };
  }
  const folder = join(work, "build-info");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const solcVersion = version.match(/^[0-9.]+/)[0];
  writeFileSync(join(folder, "src.json"), JSON.stringify({ solcVersion, solcLongVersion: version, input, output }));
  return folder;
}

/** What every detector found. */
function findings(buildInfo) {
  const report = join(work, "report.json");
  rmSync(report, { force: true });
  // It asks forge for the folder of dependencies; what comes by npm is not ours to answer for.
  const path = [join(root, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const args = [".", "--ignore-compile", "--foundry-build-info-directory", buildInfo, "--fail-none", "--filter-paths", "node_modules", "--json", report];
  const { status, stderr } = run(join(venv, "bin/slither"), args, { ...process.env, PATH: path });
  const result = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : {};
  if (status !== 0 || !result.success) throw new Error(`slither ended with ${status}: ${result.error ?? stderr}`);
  return (result.results.detectors ?? []).map(normalized);
}

const mode = process.argv[2] ?? "";
if (!["", "--write"].includes(mode)) {
  console.error("usage: slither.mjs [--write]");
  process.exit(2);
}
install();
const found = findings(compile());
const answers = JSON.parse(readFileSync(answersFile, "utf8"));
const { unanswered, problems } = judge(found, answers);
if (mode === "--write") {
  const added = unanswered.map(({ check, text }) => ({ check, finding: text, why: "" }));
  writeFileSync(answersFile, `${JSON.stringify([...answers, ...added], null, 2)}\n`);
  writeFileSync(pageFile, page(found, answers));
} else if (!problems.length && readFileSync(pageFile, "utf8") !== page(found, answers)) {
  problems.push("docs/slither.md is not what contracts/slither.json says: run `node scripts/slither.mjs --write` in contracts/");
}
for (const p of problems) console.error(p);
if (problems.length) process.exit(1);
console.log(`slither: ${found.length} findings, each answered in contracts/slither.json`);
