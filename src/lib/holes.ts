/** A range of bytes of a file; `end` is the first byte after it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const BLOCK_BYTES = 4096;

/**
 * The ranges of a sparse file that are not holes, in order, from filefrag (e2fsprogs; FIEMAP).
 * @param size bytes of the file
 * @returns undefined when filefrag cannot list them
 */
export async function storedRanges(path: string, size: number, signal?: AbortSignal): Promise<readonly ByteRange[] | undefined> {
  const { findTool, runCommand } = await import("./tools.js"); // imported late, because few callers read a sparse file
  if ((await findTool("filefrag")) === undefined) return undefined;
  const options = { allowFailure: true, ...(signal === undefined ? {} : { signal }) };
  const { exitCode, stdout } = await runCommand({ tool: "filefrag", args: ["-e", `-b${BLOCK_BYTES}`, path] }, options);
  if (exitCode !== 0 || !/: [0-9]+ extents? found$/m.test(stdout)) return undefined;
  const ranges = [...stdout.matchAll(/^\s*[0-9]+:\s*([0-9]+)\.\.\s*([0-9]+):/gm)].map(([, first, last]) => ({
    start: Math.min(Number(first) * BLOCK_BYTES, size),
    end: Math.min((Number(last) + 1) * BLOCK_BYTES, size),
  }));
  const ordered = ranges.every(({ start, end }, index) => start <= end && start >= (ranges[index - 1]?.end ?? 0));
  return ordered ? ranges : undefined;
}
