import { expect, test } from "vitest";
import { findTool, runCommand } from "../../src/lib/tools.js";
import { probeScript } from "../../src/prove/probe.js";
import { addParameter } from "../../src/prove/prove.js";

const settings = {
  wrapper: { ORIGINAL_INIT: "/init", KEEP_TOOLS: "1" },
  observer: { INIT: "systemd", RW: "/rw", TAMPER: "", READY_SECONDS: "60", MARKER: "it's plain" },
};
const hasShellcheck = (await findTool("shellcheck")) !== undefined;

test.for(["wrapper", "observer"] as const)("the %s script is clean for shellcheck", async (which, { skip }) => {
  skip(!hasShellcheck, "shellcheck is not installed");
  // Debian 12's shellcheck does not know BusyBox's shell, which is dash with a little of bash.
  const args = ["--shell=dash", "--severity=info", "-"];
  const { stdout } = await runCommand({ tool: "shellcheck", args }, { input: probeScript(which, settings[which]), allowFailure: true });
  expect(stdout).toBe("");
});

test("settings are shell words, whatever they contain", () => {
  expect(probeScript("observer", settings.observer)).toContain(`MARKER='it'\\''s plain'\n`);
});

test.each([
  ["console=null quiet", "console=null quiet rdinit=/x"],
  ["", "rdinit=/x"],
  ["quiet -- --init-argument", "quiet rdinit=/x -- --init-argument"],
])("adds a kernel parameter to '%s'", (cmdline, expected) => {
  expect(addParameter(cmdline, "rdinit=/x")).toBe(expected);
});
