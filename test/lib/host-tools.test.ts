import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostTools } from "../../src/lib/host-tools.js";
import { halRoot } from "../../src/lib/paths.js";

test("scripts/setup.sh installs the packages of the list of host tools", () => {
  const script = readFileSync(join(halRoot, "scripts/setup.sh"), "utf8");
  const inScript = [...script.matchAll(/([\w./-]+):([\w.+-]+)(?=[" ])/g)].map((match) => `${match[1]}:${match[2]}`);
  const wanted = hostTools
    .filter(({ stage, tests }) => tests === true || ["debian", "run", "proof", "develop"].includes(stage))
    .map(({ tool, package: name }) => `${tool}:${name}`);
  expect([...new Set(inScript)].sort()).toEqual([...new Set(wanted)].sort());
});
