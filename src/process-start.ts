import { readFile } from "node:fs/promises";

/**
 * When a process began, from /proc/PID/stat (proc(5), field 22): tells a reused process id from the process that had it before.
 * @returns clock ticks since the host's boot, as text; undefined when there is no such process
 */
export async function startOf(pid: number | string): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}
