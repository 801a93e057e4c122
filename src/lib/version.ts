import { readFileSync } from "node:fs";
import { join } from "node:path";
import { halRoot } from "./paths.js";

/** hal's version, from package.json. */
export const version: string = (JSON.parse(readFileSync(join(halRoot, "package.json"), "utf8")) as { version: string }).version;
