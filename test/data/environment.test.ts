import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";

const dir = mkdtempSync(join(tmpdir(), "hal-environment-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs the command of cocos-environment.service as systemd would, on another file, and returns what the agent is given. */
function taken(offered: string): string {
  const unit = readFileSync(join(halRoot, "buildroot-external/package/cocos-agent/cocos-environment.service"), "utf8");
  const script = /^ExecStart=\/bin\/sh -c "(.*)"$/m.exec(unit)?.[1];
  if (script === undefined) throw new Error("no command");
  const [from, to] = [join(dir, "offered"), join(dir, "taken")];
  writeFileSync(from, offered, "latin1");
  // systemd.service(5): `$$` is a dollar sign; nothing else of the command is a variable or a specifier of systemd's.
  expect(script.replaceAll("$$", "")).not.toMatch(/[$%\\]/);
  const command = script.replaceAll("$$", "$").replace("/etc/cocos/environment", from).replace("/run/cocos-environment/environment", to);
  execFileSync("/bin/sh", ["-c", command], { env: { PATH: "/usr/bin:/bin", LC_ALL: "C" } });
  return readFileSync(to, "latin1");
}

test("the agent gets its own variables", () => {
  const own = ["AGENT_CVM_GRPC_URL=10.0.0.1:7001", "AGENT_CVM_ID=1", "AGENT_LOG_LEVEL=info", "AWS_REGION=us-east-1", "AGENT_CERTS_TOKEN="];
  expect(taken(`${own.join("\n")}\n`)).toBe(`${own.join("\n")}\n`);
});

test.each([
  ["a library", "LD_PRELOAD=/etc/cocos/evil.so"],
  ["root certificates", "SSL_CERT_FILE=/etc/cocos/ca.pem"],
  ["a directory that the host reads", "TMPDIR=/etc/cocos"],
  ["a program", "ATTESTATION_GPU_HELPER_PATH=/bin/sh"],
  ["a proxy", "HTTPS_PROXY=http://10.0.0.2"],
  ["a registry's settings", "AWS_CA_BUNDLE=/etc/cocos/ca.pem"],
  ["blanks before the name", " LD_PRELOAD=x"],
  ["a carriage return, where systemd ends a line", "AGENT_A=1\rLD_PRELOAD=x"],
  ["a byte that is no text", "AGENT_A=\xff"],
  ["a NUL", "AGENT_A=1\0\nLD_PRELOAD=x"],
  ["nothing", ""],
])("not %s", (_what, line) => {
  expect(taken(`${line}\n`)).not.toMatch(/(?:^|[\r\0])(?!AGENT_[A-Z]+=1?$).+/m);
});

test("a file without an end is cut", () => {
  expect(taken(`AGENT_A=${"x".repeat(100_000)}\nLD_PRELOAD=x\n`).length).toBeLessThan(65_540);
});
