import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";

const dir = mkdtempSync(join(tmpdir(), "hal-environment-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs the script of cocos-environment.service on other files, and returns what the agent is given. */
function taken(offered: string, measured = ""): string {
  let script = readFileSync(join(halRoot, "buildroot-external/package/cocos-agent/take-environment"), "utf8");
  const files = { "/etc/cocos/environment": offered, "/usr/lib/cocos/host-variables": measured };
  for (const [index, [path, content]] of Object.entries(files).entries()) {
    const copy = join(dir, String(index));
    writeFileSync(copy, content, "latin1");
    script = script.replaceAll(path, copy);
  }
  return execFileSync("/bin/sh", ["-c", script], { env: { PATH: "/usr/bin:/bin", LC_ALL: "C" }, encoding: "latin1" });
}

const identity = "AGENT_CVM_ID=1\nAGENT_CERTS_TOKEN=\n";
const server = "AGENT_CVM_GRPC_URL=10.0.0.1:7001\n";

test("the agent gets its identity from the host", () => {
  expect(taken(`${identity}${server}`)).toBe(identity);
});

test("a measured file names more variables, of the agent only", () => {
  expect(taken(`${identity}${server}`, "AGENT_CVM_GRPC_URL\n")).toBe(`${identity}${server}`);
  expect(taken(`LD_PRELOAD=x\nA=1\n${server}`, "LD_PRELOAD\n.*\nAGENT_.*\nAGENT_CVM_GRPC_URL|.*\n")).toBe("");
});

test.each([
  ["a server", "AGENT_CVM_GRPC_URL=10.0.0.2:7001"],
  ["a server's certificates", "AGENT_CVM_GRPC_SERVER_CA_CERTS=/etc/certs/ca.pem"],
  ["attestation", "AGENT_MAA_URL=https://10.0.0.2"],
  ["an address to listen on", "AGENT_GRPC_HOST=0.0.0.0"],
  ["a log level that contains the output of algorithms", "AGENT_LOG_LEVEL=debug"],
  ["a registry", "AWS_ENDPOINT_URL=http://10.0.0.2"],
  ["a library", "LD_PRELOAD=/etc/cocos/evil.so"],
  ["root certificates", "SSL_CERT_FILE=/etc/cocos/ca.pem"],
  ["a directory that the host reads", "TMPDIR=/etc/cocos"],
  ["a program", "ATTESTATION_GPU_HELPER_PATH=/bin/sh"],
  ["a proxy", "HTTPS_PROXY=http://10.0.0.2"],
  ["a registry's settings", "AWS_CA_BUNDLE=/etc/cocos/ca.pem"],
  ["blanks before the name", " LD_PRELOAD=x"],
  ["a carriage return, where systemd ends a line", "AGENT_CVM_ID=1\rLD_PRELOAD=x"],
  ["a byte that is no text", "AGENT_CVM_ID=\xff"],
  ["a NUL", "AGENT_CVM_ID=1\0\nLD_PRELOAD=x"],
  ["nothing", ""],
])("not %s", (_what, line) => {
  expect(taken(`${line}\n`)).not.toMatch(/(?:^|[\r\0])(?!AGENT_CVM_ID=1?$).+/m);
});

test("a file without an end is cut", () => {
  expect(taken(`AGENT_CVM_ID=${"x".repeat(100_000)}\nLD_PRELOAD=x\n`).length).toBeLessThan(65_540);
});
