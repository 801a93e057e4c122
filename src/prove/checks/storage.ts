import { formatSize } from "../../lib/size.js";
import { allValues, lastValue } from "../facts.js";
import { type CheckGroup, check, NOT_REPORTED } from "./check.js";

/** The check that needs a boot with load. */
export const STORAGE_CHECK = "storage under load";

/** What the 16 processes of the probe create: 1600 files and 256 directories each. */
const CREATED = { files: 25600, directories: 4096 } as const;

/**
 * Many processes use the new read-write partition at once, and everything reads back. A sector without a valid tag, for example one that
 * was never written, is an I/O error.
 */
export const storageChecks: CheckGroup = ({ layout }, { facts }) => {
  if (layout.rw === undefined) return [];
  const [files, directories, bytes, errors, first, cpus] = (lastValue(facts, "load") ?? "").split("|");
  const logged = allValues(facts, "disk-error");
  const wrong = [
    Number(files) === CREATED.files ? "" : `${files} of ${CREATED.files} files`,
    Number(directories) === CREATED.directories ? "" : `${directories} of ${CREATED.directories} directories`,
    Number(bytes) > 0 ? "" : "no data",
    errors === "0" ? "" : `${errors} errors: ${first}`,
    logged.length === 0 ? "" : `in the kernel's log: ${logged[0]}`,
  ].filter((text) => text !== "");
  const done = `${CREATED.files} files, ${CREATED.directories} directories and ${formatSize(Number(bytes))} by 16 processes, ${cpus} CPUs`;
  const found = errors === undefined ? NOT_REPORTED : wrong.join("; ") || done;
  return [check(STORAGE_CHECK, errors !== undefined && wrong.length === 0, "no error", found)];
};
