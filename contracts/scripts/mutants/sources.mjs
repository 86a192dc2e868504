// The sources of the step contracts.
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

const walk = (dir) =>
  readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((e) => (e.isDirectory() ? walk(join(dir, e.name)) : [join(dir, e.name)]));

/** Path -> text of the step contracts, what they import, and the harness of the floats. */
export function readSources(root) {
  const folders = ["src/step", "src/machine", "src/generated"].map((f) => join(root, f));
  const files = [...folders.flatMap(walk), join(root, "test/step/FloatHarness.sol")];
  return new Map(files.map((f) => [relative(root, f), readFileSync(f, "utf8")]));
}

/** Whether a file's code is mutated: generated tables are tested where they are made. */
export const isMutated = (path) => path.startsWith("src/step/") || path.startsWith("src/machine/");
