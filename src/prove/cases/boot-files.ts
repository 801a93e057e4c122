import type { HostileCase } from "./case.js";

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
    name: "no-initrd",
    what: "the kernel without its initrd",
    expected: "off",
    damage: async () => ({ initrd: false }),
  },
];
