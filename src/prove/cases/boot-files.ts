import type { HostileCase } from "./case.js";

const wrongHash = `roothash=${"0".repeat(64)}`;

/** Another command line, or no initrd. */
export const bootFileCases: readonly HostileCase[] = [
  {
    name: "wrong-roothash",
    what: "a different root hash on the command line",
    expected: "off",
    damage: async ({ launch }) => ({
      cmdline: launch.cmdline.replace(
        /roothash=([0-9a-f])/,
        (_, digit: string) => `roothash=${(Number.parseInt(digit, 16) ^ 1).toString(16)}`,
      ),
    }),
  },
  {
    name: "no-roothash",
    what: "no root hash on the command line",
    expected: "off",
    damage: async ({ launch }) => ({ cmdline: launch.cmdline.replace(/ ?roothash=[0-9a-f]+/, "") }),
  },
  {
    name: "shell-in-roothash",
    what: "shell syntax instead of the root hash",
    expected: "off",
    damage: async ({ launch }) => ({
      cmdline: launch.cmdline.replace(/roothash=[0-9a-f]+/, "roothash=$(exec</dev/console>/dev/console;sh)"),
    }),
  },
  {
    name: "two-roothashes",
    what: "a wrong root hash before the right one",
    expected: "off",
    damage: async ({ launch }) => ({ cmdline: launch.cmdline.replace("roothash=", `${wrongHash} roothash=`) }),
  },
  {
    name: "foreign-roothash",
    what: "a wrong root hash, and the right one in systemd.roothash=",
    expected: "off",
    damage: async ({ launch }) => ({ cmdline: launch.cmdline.replace("roothash=", `${wrongHash} systemd.roothash=`) }),
  },
  {
    name: "no-initrd",
    what: "the kernel without its initrd",
    expected: "off",
    damage: async () => ({ initrd: false }),
  },
];
