#!/usr/bin/env node
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { contracts } from "./economics/facts.mjs";
import { vectors } from "./economics/vectors.mjs";
writeFileSync(join(contracts, "test/economics/vectors.json"), vectors());
