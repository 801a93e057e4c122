import { expect, test } from "vitest";
import { findTool, runCommand } from "../../src/lib/tools.js";
import { probeScript } from "../../src/prove/probe.js";

const settings = {
  wrapper: { ORIGINAL_INIT: "/init", KEEP_TOOLS: "1" },
  observer: { INIT: "systemd", RW: "/rw", TAMPER: "", READY_SECONDS: "60", MARKER: "it's plain" },
};
const hasShellcheck = (await findTool("shellcheck")) !== undefined;

test.for(["wrapper", "observer"] as const)("shellcheck accepts the %s script", async (which, { skip }) => {
  skip(!hasShellcheck, "shellcheck is not installed");
  // shellcheck of Debian 12 does not support BusyBox's shell, which is dash with some features of bash.
  const args = ["--shell=dash", "--severity=info", "-"];
  const { stdout } = await runCommand({ tool: "shellcheck", args }, { input: probeScript(which, settings[which]), allowFailure: true });
  expect(stdout).toBe("");
});

test("settings are quoted as shell words", () => {
  expect(probeScript("observer", settings.observer)).toContain(`MARKER='it'\\''s plain'\n`);
});
