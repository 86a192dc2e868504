// What the compiler says about src/ short of any code: seconds, where a build takes a minute.
import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

const require = createRequire(import.meta.url);

const walk = (dir) =>
  readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => (e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)]));

/** What foundry.toml maps to node_modules, as the compiler takes it. */
const remappings = (toml) => JSON.parse(toml.match(/^remappings = (\[.*\])$/m)[1]);

/** The compiler's input, its answer and its version; `wanted` are the outputs of each contract. */
export function analyse(root, wanted) {
  const solc = require("solc");
  const toml = readFileSync(join(root, "foundry.toml"), "utf8");
  const evmVersion = toml.match(/^evm_version = "(.*)"$/m)[1];
  const sources = Object.fromEntries(
    walk(join(root, "src")).map((f) => [relative(root, f), { content: readFileSync(f, "utf8") }]),
  );
  const settings = { evmVersion, remappings: remappings(toml), outputSelection: { "*": { "": ["ast"], "*": wanted } } };
  const input = { language: "Solidity", sources, settings };
  // A package's sources are found one by one, as they are imported, and then stand in the input with our own.
  const found = (path) => {
    sources[path] = { content: readFileSync(join(root, path), "utf8") };
    return { contents: sources[path].content };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  const failure = (output.errors ?? []).find((e) => e.severity === "error");
  if (failure) throw new Error(failure.formattedMessage);
  return { input, output, version: solc.version() };
}
