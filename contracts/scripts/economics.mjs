#!/usr/bin/env node
// The economics: attacks played in a model of the contracts' money, each against its bounds (docs/economics.md).
//   node scripts/economics.mjs [--seed N] [--runs N]   plays them, prints the page's tables, exits 1 where a bound is broken
//   node scripts/economics.mjs --write                 writes the tables of docs/economics.md and docs/parameters.md, and test/economics/vectors.json
//   node scripts/economics.mjs --vectors               writes test/economics/vectors.json alone
//   node scripts/economics.mjs --check                 compares all three, exits 1 on a difference
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contracts } from "./economics/facts.mjs";
import { economicsPage, parametersPage } from "./economics/page.mjs";
import { atRandom, deployments } from "./economics/simulate.mjs";
import { vectors } from "./economics/vectors.mjs";

const pageFile = join(contracts, "../docs/economics.md");
const parametersFile = join(contracts, "../docs/parameters.md");
const vectorsFile = join(contracts, "test/economics/vectors.json");
const old = (file) => readFileSync(file, "utf8");

const USAGE = "usage: economics.mjs [--write | --vectors | --check] [--seed N] [--runs N]";

function optionsOf(argv) {
  const options = { mode: "", seed: 1, runs: 40 };
  for (let i = 0; i < argv.length; ++i) {
    const number = argv[i] === "--seed" || argv[i] === "--runs" ? Number(argv[i + 1]) : null;
    if (Number.isSafeInteger(number) && number >= 0) options[argv[i++].slice(2)] = number;
    else if (["--write", "--vectors", "--check"].includes(argv[i]) && !options.mode) options.mode = argv[i];
    else throw new Error(USAGE);
  }
  return options;
}

/** What the simulation found; throws where an attack breaks a bound. */
function simulate(all, { seed, runs }) {
  const played = all.map((d) => atRandom(d, seed, runs)).reduce((a, b) => a + b, 0);
  return `${played} attacks played at random (seed ${seed}): money conserved, no honest bond lost, every bound kept`;
}

function run({ mode, ...options }) {
  if (mode === "--vectors") return writeFileSync(vectorsFile, vectors());
  const all = deployments();
  const found = simulate(all, options);
  const text = economicsPage(old(pageFile), all);
  const files = [
    [pageFile, text],
    [parametersFile, parametersPage(old(parametersFile))],
    [vectorsFile, vectors()],
  ];
  if (mode === "--write") for (const [file, wanted] of files) writeFileSync(file, wanted);
  else if (mode === "--check") {
    const stale = files.filter(([file, wanted]) => old(file) !== wanted);
    if (stale.length) throw new Error(`${stale.map(([f]) => f)}: not what is simulated; run \`npm run economics\` in contracts/`);
  } else {
    console.log(text.split("\n").filter((line) => line.startsWith("|")).join("\n"));
  }
  console.log(found);
}

try {
  run(optionsOf(process.argv.slice(2)));
} catch (error) {
  console.error(error.message);
  process.exit(error.message === USAGE ? 2 : 1);
}
