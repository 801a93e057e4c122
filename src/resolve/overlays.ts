import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from "node:fs";
import { join, posix } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { formatSize } from "../lib/size.js";
import type { TreeFile } from "../model/resolved.js";

/**
 * The files and symbolic links of an overlay, in name order. Modes become 0644 or 0755, because a git checkout keeps no
 * others. `files` can set other modes. Files of version control and of editors are left out.
 * @param where the place that names the overlay
 * @param read false leaves the contents empty, for a caller that does not need them
 * @throws HalError "input" for an entry that an image cannot hold, a link that leads out of the tree, or an unreadable file
 */
export function readOverlay(overlay: string, where: Location, read = true): TreeFile[] {
  const refuse = (message: string): never => {
    throw new HalError("input", `overlay ${message}`, { at: where });
  };
  try {
    const info = statSync(overlay, { throwIfNoEntry: false });
    if (info === undefined) return refuse(`${overlay} does not exist`);
    if (!info.isDirectory()) return refuse(`${overlay} is not a directory`);
    return [...filesBelow(overlay, "", read, refuse, { left: MAX_ENTRIES })];
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return refuse(`${path ?? overlay} cannot be read: ${code}`);
  }
}

/** The size of the largest file that Node.js reads at once (`fs.readFile`). */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** More than a whole Linux distribution has. */
const MAX_ENTRIES = 250_000;

/**
 * Files of version control and of editors. The first can contain credentials (.git/config). Buildroot's copy of an overlay
 * leaves some of them out as well (support/misc/utils.mk, RSYNC_VCS_EXCLUSIONS; Makefile, `*~` and `.empty`).
 */
const LEFT_OUT =
  /^(?:\.git(?:ignore|keep|attributes|modules)?|\.hg(?:ignore|tags)?|\.svn|\.bzr(?:ignore)?|\.jj|CVS|\.cvsignore|\.empty|.*~|\..*\.sw[a-p]|#.*#|\.#.*)$/;

const EMPTY = new Uint8Array();

function* filesBelow(
  overlay: string,
  directory: string,
  read: boolean,
  refuse: (message: string) => never,
  entries: { left: number },
): Generator<TreeFile> {
  for (const name of readdirSync(join(overlay, directory)).sort()) {
    if (--entries.left < 0) refuse(`${overlay} has more than ${MAX_ENTRIES} files and directories`);
    if (LEFT_OUT.test(name)) continue;
    const path = posix.join(directory, name);
    const file = join(overlay, path);
    const info = lstatSync(file);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: refuses control characters in a file name
    if (/[\u0000-\u001f\u007f]/.test(name)) refuse(`file ${JSON.stringify(path)} has a control character in its name`);
    if (info.size > MAX_FILE_BYTES)
      refuse(`file ${path} is larger than ${formatSize(MAX_FILE_BYTES)}; put large files on the rw partition or on a share`);
    if (info.isDirectory()) yield* filesBelow(overlay, path, read, refuse, entries);
    else if (info.isSymbolicLink()) {
      const link = readlinkSync(file);
      if (/^\.\.(\/|$)/.test(posix.join(directory, link)) && !link.startsWith("/"))
        refuse(`link ${path} points to ${link}, out of the tree`);
      yield { path, content: EMPTY, mode: 0o777, link, from: file };
    } else if (info.isFile()) {
      yield { path, content: read ? contentOf(file, info) : EMPTY, mode: info.mode & 0o100 ? 0o755 : 0o644, from: file };
    } else refuse(`entry ${path} is neither a file, a directory nor a symbolic link`);
  }
}

/** File contents that are still in use, by path: profiles that share an overlay share its bytes. */
const inUse = new Map<string, { readonly state: string; readonly content: WeakRef<Uint8Array> }>();

function contentOf(file: string, { ino, size, mtimeMs, ctimeMs }: Stats): Uint8Array {
  const state = [ino, size, mtimeMs, ctimeMs].join();
  const known = inUse.get(file);
  const shared = known?.state === state ? known.content.deref() : undefined;
  if (shared !== undefined) return shared;
  const content = readFileSync(file);
  inUse.set(file, { state, content: new WeakRef<Uint8Array>(content) });
  return content;
}
