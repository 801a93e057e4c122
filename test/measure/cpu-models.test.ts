import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { runCommand } from "../../src/lib/tools.js";
import { cpuModels, cpuSignature } from "../../src/measure/sev/cpu-models.js";

describe("CPU signatures", () => {
  // AMD's processors: EPYC 7001, 7002, 7003, 9004, 9005.
  it.each([
    ["EPYC", 0x800f12],
    ["EPYC-v5", 0x800f12],
    ["EPYC-IBPB", 0x800f12],
    ["EPYC-Rome-v4", 0x830f10],
    ["EPYC-Milan-v3", 0xa00f11],
    ["EPYC-Genoa-v2", 0xa10f10],
    ["EPYC-Turin", 0xb00f00],
  ])("%s", (model, signature) => {
    expect(cpuSignature(model)).toBe(signature);
  });

  it.each([
    ["EPYC-Genoa-v9", /EPYC-Genoa/],
    ["host", /Known models/],
    ["", /Known models/],
    ["toString", /Known models/],
  ])("none for %s", (model, remedy) => {
    expect(() => cpuSignature(model)).toThrow(expect.objectContaining({ kind: "input", remedy: expect.stringMatching(remedy) }));
  });

  it("match every EPYC model that the installed QEMU lists", async () => {
    const help = await runCommand({ tool: qemuTool, args: ["-cpu", "help"] });
    const names = [...help.stdout.matchAll(/^(?:x86)? +(EPYC\S*)/gm)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(8);
    for (const { name, props } of await expandModels(names)) {
      const { family, model, stepping } = props;
      const signature = cpuSignature(name);
      expect([15 + (signature >> 20), ((signature >> 12) & 0xf0) | ((signature >> 4) & 0xf), signature & 0xf]).toEqual([
        family,
        model,
        stepping,
      ]);
      expect(cpuModels).toContain(name);
    }
  });
});

const qemuTool = "qemu-system-x86_64";

interface ExpandedModel {
  readonly name: string;
  readonly props: Readonly<Record<string, unknown>>;
}

/** Asks QEMU over QMP, one model after the other, because QEMU drops unread answers when it quits. */
async function expandModels(names: readonly string[]): Promise<readonly ExpandedModel[]> {
  const args = ["-accel", "tcg", "-machine", "none", "-display", "none", "-nodefaults", "-qmp", "stdio"];
  const qemu = spawn(qemuTool, args, { stdio: ["pipe", "pipe", "ignore"] });
  try {
    const lines = createInterface({ input: qemu.stdout })[Symbol.asyncIterator]();
    const answer = async () => JSON.parse((await lines.next()).value);
    const ask = async (request: object) => {
      qemu.stdin.write(`${JSON.stringify(request)}\n`);
      return await answer();
    };
    await answer(); // the greeting
    await ask({ execute: "qmp_capabilities" });
    const models: ExpandedModel[] = [];
    for (const name of names) {
      const { return: reply } = await ask({ execute: "query-cpu-model-expansion", arguments: { type: "full", model: { name } } });
      models.push(reply.model);
    }
    return models;
  } finally {
    qemu.kill();
  }
}
