import { spawn } from "node:child_process";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../../src/lib/tools.js";
import { parseVersion } from "../../src/lib/versions.js";
import { kernelAsLoaded } from "../../src/measure/vtpm/qemu-kernel.js";
import { u16, u32 } from "../codecs/integers.js";

// The setup part of a kernel that the installed QEMU passes to firmware, read through fw_cfg (QEMU docs/specs/fw_cfg) over qtest.
const qemu = "qemu-system-x86_64";
const selector = { setupSize: 0x17, setup: 0x18 } as const;
const MiB = 2 ** 20;

let dir = "";
let version = parseVersion("0.0", "QEMU version");
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-qemu-kernel-"));
  const { stdout } = await runCommand({ tool: qemu, args: ["--version"] });
  version = parseVersion(/version (\S+)/.exec(stdout)?.[1] ?? "", "QEMU version");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The setup part in fw_cfg of a machine that does not run. */
async function setupOf(args: readonly string[]): Promise<Buffer> {
  const child = spawn(qemu, ["-S", "-accel", "tcg", "-display", "none", "-nodefaults", "-qtest", "stdio", "-qtest-log", "none", ...args], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const command = async (text: string): Promise<string> => {
      child.stdin.write(`${text}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`QEMU refuses ${args.join(" ")}`);
        if (String(value).startsWith("OK")) return String(value).slice(3);
      }
    };
    const readItem = async (item: number, size: number): Promise<Buffer> => {
      await command(`outw 0x510 0x${item.toString(16)}`);
      const bytes: number[] = [];
      for (let i = 0; i < size; i++) bytes.push(Number(await command("inb 0x511")));
      return Buffer.from(bytes);
    };
    return await readItem(selector.setup, (await readItem(selector.setupSize, 4)).readUInt32LE());
  } finally {
    child.kill("SIGKILL");
  }
}

/** A file that QEMU accepts as a kernel, with a pattern in the bytes that it ignores. */
function kernel({ magic = "HdrS", protocol = 0x20f, xloadflags = 2, initrdMax = 0x7fffffff } = {}): Buffer {
  const bytes = Buffer.alloc(8192);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7 + (at >> 8)) & 0xff;
  bytes.fill(0, 0x1f1, 0x260).writeUInt8(1, 0x1f1); // two sectors of setup
  Buffer.from(magic).copy(bytes, 0x202);
  u16(protocol).copy(bytes, 0x206);
  bytes.writeUInt8(1, 0x211);
  u32(initrdMax).copy(bytes, 0x22c);
  u16(xloadflags).copy(bytes, 0x236);
  return bytes;
}

test.each<[string, Parameters<typeof kernel>[0], { machine?: "q35" | "pc"; memory?: number; initrdSize?: number; cmdline?: string }]>([
  ["no initrd", {}, {}],
  ["an initrd", {}, { initrdSize: 1028488 }],
  ["an initrd of whole pages", {}, { initrdSize: 8192 }],
  ["an initrd that ends where its room ends", {}, { initrdSize: 4095 }],
  ["memory just below the split", {}, { memory: 2815 * MiB, initrdSize: 5 }],
  ["memory just above the split", {}, { memory: 2816 * MiB, initrdSize: 5 }],
  ["pc, memory just above its split", {}, { machine: "pc", memory: 3584 * MiB, initrdSize: 5 }],
  ["pc, memory just below its split", {}, { machine: "pc", memory: 3583 * MiB, initrdSize: 5 }],
  ["a kernel that wants its initrd low", { xloadflags: 0, initrdMax: 0x1fffffff }, { initrdSize: 70000 }],
  ["boot protocol 2.03", { protocol: 0x203, initrdMax: 0x0fffffff }, { initrdSize: 70000 }],
  ["boot protocol 2.02", { protocol: 0x202 }, { memory: 1024 * MiB, initrdSize: 4095 }],
  ["vga=ask", {}, { cmdline: "quiet vga=ask" }],
  ["vga=0x317 and another", {}, { cmdline: "vga=0x317 vga=ask" }],
  ["vga= in octal", {}, { cmdline: "vga=0677 quiet" }],
  ["no setup header", { magic: "none" }, {}],
])(
  "the setup header that QEMU hands over: %s",
  async (_, header, { machine = "q35", memory = 512 * MiB, initrdSize, cmdline = "quiet" }) => {
    const bytes = kernel(header);
    const [file, initrd] = [join(dir, "kernel"), join(dir, "initrd")];
    await writeFile(file, bytes);
    await writeFile(initrd, "");
    await truncate(initrd, initrdSize ?? 0);
    const found = await setupOf([
      ...["-machine", machine, "-m", `size=${memory / MiB}M`, "-kernel", file, "-append", cmdline],
      ...(initrdSize === undefined ? [] : ["-initrd", initrd]),
    ]);
    const loaded = kernelAsLoaded(bytes, file, {
      ...{ memory, machine, cmdline, qemuVersion: version, guest: "plain" },
      ...(initrdSize === undefined ? {} : { initrdSize }),
      firmwareVersion: parseVersion("2022.11", "firmware version"),
    });
    expect(found).toEqual(Buffer.from(loaded.subarray(0, found.length)));
    expect(found.length).toBe(1024);
  },
);
