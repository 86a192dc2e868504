#!/usr/bin/env node
// Runs forge with these arguments and ends as it ends: what npm puts into node_modules/.bin always says success.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

/** The binary of package-lock.json for this machine, else the forge of PATH. */
function forge() {
  const cpu = { x64: "amd64", arm64: "arm64" }[process.arch];
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/forge-${process.platform}-${cpu}/bin/forge${suffix}`);
  } catch {
    return "forge";
  }
}

const { status, error } = spawnSync(forge(), process.argv.slice(2), { stdio: "inherit" });
if (error) console.error(error.message);
process.exit(status ?? 1);
