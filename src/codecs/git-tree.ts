import { createHash } from "node:crypto";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * The identifier of a git object (Pro Git, "Git Objects"): SHA-1 of its type, its length and its contents.
 * @returns hex
 */
export function gitObjectId(type: "blob" | "tree" | "commit", content: Uint8Array): string {
  return createHash("sha1").update(`${type} ${content.length}\0`).update(content).digest("hex");
}

/** The identifier of the tree that a commit object names in its first line. */
export function treeOfCommit(commit: Uint8Array): string | undefined {
  return /^tree ([0-9a-f]{40})\n/.exec(Buffer.from(commit).toString("latin1"))?.[1];
}

const EMPTY_TREE = gitObjectId("tree", new Uint8Array());

/**
 * The identifier of a directory as a git tree object: names, modes, bytes and link targets of every file. It runs no
 * git, so no configuration, attribute or ignore file has an effect. As in git, empty directories do not count.
 * @returns hex; undefined for a directory that git cannot store, for example with a device
 */
export async function gitTreeId(dir: string): Promise<string | undefined> {
  const rows: { readonly order: string; readonly entry: Buffer }[] = [];
  for (const found of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, found.name);
    const row = await objectAt(path, found);
    if (row === undefined) return undefined;
    const [mode, id] = row;
    if (id === EMPTY_TREE && mode === "40000") continue;
    const entry = Buffer.concat([Buffer.from(`${mode} ${found.name}\0`), Buffer.from(id, "hex")]);
    rows.push({ order: mode === "40000" ? `${found.name}/` : found.name, entry });
  }
  rows.sort((a, b) => Buffer.compare(Buffer.from(a.order), Buffer.from(b.order)));
  return gitObjectId("tree", Buffer.concat(rows.map(({ entry }) => entry)));
}

interface Type {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

async function objectAt(path: string, type: Type): Promise<readonly [mode: string, id: string] | undefined> {
  if (type.isSymbolicLink()) return ["120000", gitObjectId("blob", await readlink(path, { encoding: "buffer" }))];
  if (type.isFile()) {
    const isProgram = ((await stat(path)).mode & 0o100) !== 0;
    return [isProgram ? "100755" : "100644", gitObjectId("blob", await readFile(path))];
  }
  const id = type.isDirectory() ? await gitTreeId(path) : undefined;
  return id === undefined ? undefined : ["40000", id];
}
