// What the compiler says about src/ short of any code: seconds, where a build takes a minute.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

const require = createRequire(import.meta.url);

const walk = (dir) =>
  readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => (e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)]));

/** The compiler's input, its answer and its version; `wanted` are the outputs of each contract. */
export function analyse(root, wanted) {
  const solc = require("solc");
  const evmVersion = readFileSync(join(root, "foundry.toml"), "utf8").match(/^evm_version = "(.*)"$/m)[1];
  const sources = Object.fromEntries(
    walk(join(root, "src")).map((f) => [relative(root, f), { content: readFileSync(f, "utf8") }]),
  );
  const settings = { evmVersion, outputSelection: { "*": { "": ["ast"], "*": wanted } } };
  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const failure = (output.errors ?? []).find((e) => e.severity === "error");
  if (failure) throw new Error(failure.formattedMessage);
  return { input, output, version: solc.version() };
}
