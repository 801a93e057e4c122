import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { amlThatWritesMemory, descriptionTable, tablesWithDsdt } from "../../codecs/acpi.js";
import { AML_REACHED, type HostileCase, qemuPath } from "./case.js";

/** RAM of every PC, which Linux reserves and does not use (arch/x86/kernel/setup.c: the first MiB). */
const UNUSED_RAM = 0x80000;

const aml = (): Buffer => amlThatWritesMemory(UNUSED_RAM, `\n${AML_REACHED}\n`);

/** The host's ACPI tables contain code that writes to the guest's memory. Most platforms measure no table. */
export const tableCases: readonly HostileCase[] = [
  {
    name: "host-ssdt",
    what: "a secondary ACPI table (SSDT) whose code writes to the guest's memory: must not run",
    expected: "works",
    damage: async (_image, _disk, scratch) => {
      const table = join(resolve(scratch), "ssdt");
      await writeFile(table, descriptionTable("SSDT", 2, aml()));
      return { qemuArgs: ["-acpitable", `file=${qemuPath(table)}`] };
    },
  },
  {
    name: "host-dsdt",
    what: "a main ACPI table (DSDT) whose code writes to the guest's memory: must not reach it",
    // These tables describe no PCI bus, so the image finds no disk.
    expected: ({ hostAml }) => (hostAml === "blocked" ? "off" : "reached"),
    damage: async (_image, _disk, scratch) => {
      const files = Object.entries(tablesWithDsdt(aml()));
      const options = await Promise.all(
        files.map(async ([name, bytes], index) => {
          const path = join(resolve(scratch), `table${index}`);
          await writeFile(path, bytes);
          return ["-fw_cfg", `name=${name},file=${qemuPath(path)}`];
        }),
      );
      return { qemuArgs: ["-machine", "acpi=off", ...options.flat()] };
    },
  },
];
