import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cleanEnvironment, runCommand } from "../../src/lib/tools.js";
import { render } from "../../src/render/render.js";
import { writeTree } from "../../src/render/write-tree.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildroot, directory, noBuildroot } from "../kconfig/tree.js";
import { skipEach } from "../skip-each.js";

const env = cleanEnvironment({ PYTHONPATH: process.env.PYTHONPATH ?? "" });
const python = await runCommand(
  { tool: "python3", args: ["-c", "import magic, flake8.main.application"], env },
  { allowFailure: true },
).catch(() => ({ exitCode: 1 }));

describe("Buildroot's own check-package", () => {
  skipEach(noBuildroot);
  skipEach(python.exitCode === 0 ? undefined : "Buildroot's check-package needs python3-magic and python3-flake8");

  test.each(["sev-snp", "tdx-ram", "nitro", "dev"])("reports nothing about the tree of %s", async (name) => {
    const tree = directory();
    await writeTree(render(await resolve(name), "buildroot"), tree);
    const files = readdirSync(tree, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1));
    const checker = join(buildroot ?? "", "utils/check-package");
    const { stdout, stderr } = await runCommand(
      { tool: "python3", args: [checker, "-b", ...files.map((file) => `./${file}`)], cwd: tree, env },
      { allowFailure: true },
    );
    expect(stdout).toBe("");
    expect(stderr).toContain("0 warnings generated");
  });
});
