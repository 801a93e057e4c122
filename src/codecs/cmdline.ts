import { HalError } from "../lib/errors.js";

/**
 * The bytes of a kernel command line. A kind "input" error for a text that is not what was typed or cannot be handed over: Node.js puts
 * U+FFFD for what is not UTF-8 in an argument, and a NUL ends it.
 */
export function cmdlineBytes(cmdline: string): Buffer {
  if (cmdline.includes("\0")) throw new HalError("input", "command line: a NUL would cut it short");
  if (/\ufffd|\p{Surrogate}/u.test(cmdline)) throw new HalError("input", "command line: it is not UTF-8");
  return Buffer.from(cmdline, "utf8");
}

/** The same with the NUL that QEMU puts behind it. */
export function cmdlineBytesWithNul(cmdline: string): Buffer {
  return Buffer.concat([cmdlineBytes(cmdline), Buffer.alloc(1)]);
}
