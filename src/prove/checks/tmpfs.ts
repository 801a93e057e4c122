import { formatSize, parseSize } from "../../lib/size.js";
import { type Facts, lastValue, memory, mountAt } from "../facts.js";
import { type CheckGroup, check } from "./check.js";

/** The kernel rounds a share of RAM, and counts slightly more RAM early in the boot than it reports later. */
const TOLERANCE = 1.05;

/** Every tmpfs area of the layout has its mount options and size limit. */
export const tmpfsChecks: CheckGroup = ({ layout }, { facts }) =>
  layout.tmpfs.map(({ path, size, exec, noswap }) => {
    const mount = mountAt(facts, path);
    const wanted = ["nodev", "nosuid", ...(exec ? [] : ["noexec"]), ...(noswap && hasNoswap(facts) ? ["noswap"] : [])];
    const options = mount?.options ?? [];
    const optionsRight = wanted.every((option) => options.includes(option)) && !(exec && options.includes("noexec"));
    const ram = memory(facts)?.total ?? 0;
    const limit = sizeLimit(options, ram);
    const limitRight = limit > 0 && limit <= promisedBytes(size, ram) * TOLERANCE;
    const shown = options.filter((option) => /^no(dev|suid|exec|swap)$/.test(option)).join(", ");
    const found = mount === undefined ? "not mounted" : `${mount.type} of ${formatSize(limit)}, ${shown}`;
    const expected = `tmpfs of ${size}${size.endsWith("%") ? " of RAM" : ""}, ${wanted.join(", ")}`;
    return check(`${path} is tmpfs`, mount?.type === "tmpfs" && optionsRight && limitRight, expected, found);
  });

/** The size limit in bytes. The kernel shows no `size=` for the default, which is half of RAM (Linux mm/shmem.c). */
function sizeLimit(options: readonly string[], ram: number): number {
  const shown = options.find((option) => option.startsWith("size="));
  return shown === undefined ? ram / 2 : Number.parseInt(shown.slice("size=".length), 10) * 1024;
}

function promisedBytes(size: string, ram: number): number {
  return size.endsWith("%") ? (ram * Number.parseInt(size, 10)) / 100 : parseSize(size);
}

/** tmpfs has `noswap` since Linux 6.4 (Documentation/filesystems/tmpfs.rst). */
function hasNoswap(facts: Facts): boolean {
  const [major = 0, minor = 0] = (lastValue(facts, "kernel") ?? "").split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 4);
}
