/** A command that prints `SHELL_ANSWER`; its echo on a terminal does not contain the answer. */
const SHELL_COMMAND = "echo hal-shell-$((6*7))\n";

/** On the console only if a shell ran `SHELL_COMMAND`. */
export const SHELL_ANSWER = "hal-shell-42";

/**
 * Typed again and again on the console of a damaged image to find a shell: keys that interrupt, a login without a password, and the command.
 * Ctrl-D comes last, because a shell that reads it first ends without an answer.
 */
export const KEYSTROKES = [
  ...["\n", SHELL_COMMAND, "\x03", SHELL_COMMAND, "\x1b\n", SHELL_COMMAND],
  ...["root\n", "\n", SHELL_COMMAND, "\x1a", SHELL_COMMAND, "\x04"],
];

/** ECMA-48 control sequences and single escapes. */
const CONTROL_SEQUENCE = new RegExp(`${String.fromCharCode(0x1b)}(\\[[0-9;?]*[a-zA-Z]|[a-zA-Z])`, "g");

/**
 * The text that the guest wrote to the console: without terminal control sequences, and without the output of SeaBIOS or iPXE, which ends
 * with `Booting from ROM...`. Control sequences can also be between these dots.
 */
export function consoleOutput(console: string): string {
  const plain = console.replaceAll(CONTROL_SEQUENCE, "");
  const firmware = [...plain.matchAll(/Booting from [A-Z]+[.\s]*/g)].at(-1);
  const output = firmware === undefined ? plain : plain.slice(firmware.index + firmware[0].length);
  return output.replace(/[^!-~\n]+/g, " ").trim();
}

/** The failure lines of early boot (`hal: STEP: …`); if there are none, the panic line of the kernel. */
export function failureLines(console: string): string[] {
  const lines = consoleOutput(console)
    .split("\n")
    .map((line) => line.trim());
  const earlyBoot = lines.filter((line) => /(?:^|\] )hal: /.test(line));
  return earlyBoot.length > 0 ? earlyBoot : lines.filter((line) => /Kernel panic - not syncing/.test(line)).slice(0, 1);
}

/** The first failure line without its time stamp and without keystrokes that the terminal echoed on the same line; empty if there is none. */
export function firstFailureLine(console: string): string {
  return (failureLines(console)[0] ?? "").replace(/^.*?(hal: |Kernel panic)/, "$1");
}
