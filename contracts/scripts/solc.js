#!/usr/bin/env node
// The `solc` that foundry.toml names: the exact compiler of package-lock.json, speaking forge's two requests.
"use strict";
const fs = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.js answers --version and --standard-json only\n");
  process.exit(1);
}
