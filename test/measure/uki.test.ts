import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readUki } from "../../src/codecs/uki.js";
import { ByteReader } from "../../src/lib/bytes.js";
import { predictVtpm } from "../../src/measure/vtpm/pcrs.js";
import { stubEvents, stubInitrd } from "../../src/measure/vtpm/systemd-stub.js";
import { type BuiltSection, buildPe, optionalOffset, peOffset, tableOffset } from "../codecs/build-pe.js";
import { fuzz } from "../codecs/fuzz.js";
import { mutate } from "../codecs/mutate.js";

const linux = buildPe([{ name: ".text", data: Buffer.alloc(64, 3) }]);
const sections: readonly BuiltSection[] = [
  { name: ".sdmagic", data: Buffer.from("#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####\0") },
  { name: ".initrd", data: Buffer.from("initrd"), virtualSize: 6 },
  { name: ".cmdline", data: Buffer.from("quiet  ") },
  { name: ".osrel", data: Buffer.from("ID=hal\n") },
  { name: ".linux", data: linux },
];
const image = buildPe(sections);
/** The image with a section at another address in memory. */
const moved = (name: string, address: number) => {
  const bytes = Buffer.from(image);
  bytes.writeUInt32LE(address, tableOffset + sections.findIndex((section) => section.name === name) * 40 + 12);
  return bytes;
};
const replaced = (name: string, section: Partial<BuiltSection>) =>
  buildPe(sections.map((other) => (other.name === name ? { ...other, ...section } : other)));

describe("unified kernel images", () => {
  test("PCR 11 has name and contents of each section, in systemd-stub's order", () => {
    const expected = [
      [".linux", linux],
      [".osrel", "ID=hal\n"],
      [".cmdline", "quiet  "],
      [".initrd", "initrd"],
    ].flatMap(([name, data]) => [hash("sha256", `${name}\0`), hash("sha256", data ?? "")]);
    expect(stubEvents(readUki(image, "u.efi")).map(({ digests }) => digests.sha256)).toEqual(expected);
  });

  test("a section is measured as it is in memory", () => {
    const longer = readUki(replaced(".osrel", { virtualSize: 4000 }), "u.efi");
    const event = stubEvents(longer).find(({ what }) => what === "section .osrel");
    expect(event?.digests.sha384).toBe(hash("sha384", Buffer.concat([Buffer.from("ID=hal\n")], 4000)));
    expect(event?.size).toBe(4000);
  });

  const madeWith = (version: string, ...more: readonly BuiltSection[]) =>
    buildPe([...sections.slice(1), { name: ".sdmagic", data: Buffer.from(`#### LoaderInfo: systemd-stub ${version} ####\0`) }, ...more]);

  test("the initrd is padded and followed by an archive of /.extra, or alone and unchanged", () => {
    const initrd = stubInitrd(readUki(image, "u.efi"));
    const without = stubInitrd(readUki(buildPe(sections.filter(({ name }) => name !== ".osrel")), "u.efi"));
    expect(without).toMatchObject({ size: 6, digests: { sha256: hash("sha256", "initrd") } });
    expect(initrd?.size).toBeGreaterThan(8 + 3 * 110);
    const key = { name: ".pcrpkey", data: Buffer.from("key") };
    expect((stubInitrd(readUki(madeWith("252", key), "u.efi"))?.size ?? 0) % 4).toBe(0);
  });

  // systemd src/boot/cpio.c: inodes 1 and 2, modes 040555 and 0100444, a trailer with an upper-case digit.
  test("the archive has the bytes that systemd-stub writes", () => {
    const zeros = (count: number) => "00000000".repeat(count);
    const header = (inode: number, mode: string, size: number, nameSize: string) =>
      `0707010000000${inode}${mode}${zeros(2)}00000001${zeros(1)}0000000${size}${zeros(4)}000000${nameSize}${zeros(1)}`;
    const directory = `${header(1, "0000416d", 0, "07")}.extra\0\0\0\0`;
    const file = `${header(2, "00008124", 7, "12")}.extra/os-release\0ID=hal\n\0`;
    const trailer = `070701${zeros(4)}00000001${zeros(6)}0000000B${zeros(1)}TRAILER!!!\0\0\0\0`;
    const expected = Buffer.from(`initrd\0\0${directory}${file}${trailer}`, "latin1");
    expect(stubInitrd(readUki(image, "u.efi"))).toMatchObject({ size: expected.length, digests: { sha256: hash("sha256", expected) } });
  });

  test("the stub before 257 passes no os-release", () => {
    expect(stubInitrd(readUki(madeWith("252.39-1~deb12u1"), "u.efi"))?.size).toBe(6);
  });

  test.each([
    ["252.39-1~deb12u1", []],
    ["253", []],
    ["254.26-1", [".uname", ".sbat"]],
    ["256", [".ucode", ".uname", ".sbat"]],
    ["257.13-1~deb13u1", [".ucode", ".uname", ".sbat"]],
  ])("systemd-stub %s measures and passes the sections that it knows", (version, known) => {
    const more = [".uname", ".sbat", ".ucode"].map((name) => ({ name, data: Buffer.from("1234") }));
    const uki = readUki(madeWith(version, ...more), "u.efi");
    const measured = stubEvents(uki).flatMap(({ what }) => /^section (.*)/.exec(what)?.[1] ?? []);
    expect(measured.filter((name) => more.some((section) => section.name === name))).toEqual(known);
    const alone = readUki(madeWith(version), "u.efi");
    expect((stubInitrd(uki)?.size ?? 0) > (stubInitrd(alone)?.size ?? 0)).toBe((known as string[]).includes(".ucode"));
  });

  test("the command line ends before white space", () => {
    expect(readUki(image, "u.efi").cmdline).toBe("quiet");
  });

  test("PCR 4 has the two images in the order of their start", () => {
    const what = (boot: Parameters<typeof predictVtpm>[0]) =>
      predictVtpm(boot)
        .values.find(({ register }) => register === "pcr4")
        ?.steps.map((step) => step.what.split(" ")[0]);
    const uki = { file: "u.efi", bytes: image };
    expect(what({ boot: "uki-kernel", uki, firmwareVersion: "2025.02", qemuVersion: "10.0" })).toEqual([
      "unified",
      "'Calling",
      "separator",
      "kernel",
    ]);
  });

  test.each(["7.2.15", "8.0.5", "8.2.8", "9.0", "9.1.2", "9.2.0", "6.2"])("QEMU %s changes the image that it starts", (qemuVersion) => {
    const boot = { boot: "uki-kernel", uki: { file: "u.efi", bytes: image }, firmwareVersion: "2025.02", qemuVersion } as const;
    expect(() => predictVtpm(boot)).toThrow(`QEMU ${qemuVersion} writes into such a file`);
    expect(predictVtpm({ ...boot, guest: "sev" }).values.length).toBeGreaterThan(20);
  });

  test.each(["7.2", "7.2.16", "1:7.2+dfsg-7+deb12u18", "8.2.9", "9.1.3", "9.2.1", "10.0.0", "11.1"])(
    "QEMU %s leaves one that it starts as it is",
    (qemuVersion) => {
      const uki = { file: "u.efi", bytes: image };
      expect(predictVtpm({ boot: "uki-kernel", uki, firmwareVersion: "2025.02", qemuVersion }).values.length).toBeGreaterThan(20);
    },
  );

  test.each([
    ["2025.02", 4],
    ["2026.08", 6],
  ])("on disk, edk2 %s puts %d events into PCR 5", (firmwareVersion, count) => {
    const gpt = { reader: new ByteReader(new Uint8Array(), "disk"), diskSize: 0, header: Buffer.alloc(92), entries: [], partitions: [] };
    const { values } = predictVtpm({ boot: "uki-disk", uki: { file: "u.efi", bytes: image }, gpt, firmwareVersion });
    expect(values.find(({ register }) => register === "pcr5")?.steps.length).toBe(count);
    const images = values.find(({ register }) => register === "pcr4")?.steps.map((step) => step.what.split(" ")[0]);
    expect(images).toEqual(["'Calling", "separator", "unified", "kernel"]);
  });

  test.each<[string, Buffer, string]>([
    ["no kernel", buildPe(sections.slice(0, 4)), "no section .linux"],
    ["a kernel without contents", replaced(".linux", { data: Buffer.from(""), virtualSize: 0 }), ".linux is empty"],
    ["a kernel with zeros behind it", replaced(".linux", { virtualSize: linux.length + 1 }), "larger in memory"],
    ["a kernel that is none", replaced(".linux", { data: Buffer.from("kernel") }), "DOS header"],
    ["another stub", buildPe(sections.slice(1)), "not made with systemd-stub"],
    ["a stub too new", replaced(".sdmagic", { data: Buffer.from("#### LoaderInfo: systemd-stub 258 ####") }), "systemd-stub 258"],
    ["two of a kind", buildPe([...sections, { name: ".osrel", data: Buffer.from("x") }]), "two sections"],
    ["several profiles", buildPe([...sections, { name: ".profile", data: Buffer.from("x") }]), "chosen at boot"],
    ["a section over another one in memory", moved(".osrel", 0x3000), "memory overlaps"],
    ["a section over the end of another one", moved(".osrel", 0x3006), "memory overlaps"],
    ["a section over the headers", moved(".osrel", 0x200), "memory overlaps"],
    ["a section of 2 GiB", replaced(".osrel", { virtualSize: 0x7fffffff }), "more than"],
  ])("refused: %s", (_, bytes, message) => {
    expect(() => readUki(bytes, "u.efi")).toThrow(message);
  });

  test("damaged images are refused at an offset, or measured", () => {
    const small = buildPe(sections);
    const outcome = fuzz(
      (random) => {
        const bytes = mutate(small, random, random(2) === 0 ? peOffset : optionalOffset, tableOffset + 5 * 40);
        // Sections have zeros up to their virtual size; small sizes keep the run short.
        for (let at = tableOffset; at + 40 < bytes.length && at < tableOffset + 200; at += 40)
          bytes.writeUInt32LE(bytes.readUInt32LE(at + 8) % 65536, at + 8);
        return bytes;
      },
      (bytes) => {
        const uki = readUki(bytes, "u.efi");
        return [stubEvents(uki), stubInitrd(uki)];
      },
    );
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(12);
  });
});
