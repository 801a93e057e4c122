import { HalError, type Location } from "../lib/errors.js";
import type { Layout, Profile } from "../model/generated.js";

/**
 * Returns the layout with the profile's `layoutOptions` applied.
 * @param at returns the location of a value of the profile, by JSON pointer
 * @throws HalError "input" for an option of a partition that the layout does not have
 */
export function withLayoutOptions(layout: Layout, profile: Profile, at: (pointer: string) => Location): Layout {
  const { rootSize, rwSize, swapSize, integrity, rwExec } = profile.layoutOptions;
  const refuse = (key: string, part: string): never => {
    throw new HalError("input", `layout '${layout.name}' has no ${part}`, {
      at: at(`/layoutOptions/${key}`),
      remedy: "remove this option or choose another layout",
    });
  };
  if (rootSize !== undefined && layout.root.type !== "verity") refuse("rootSize", "root partition");
  if (rwSize !== undefined && layout.rw === undefined) refuse("rwSize", "read-write partition");
  if (integrity !== undefined && layout.rw === undefined) refuse("integrity", "read-write partition");
  if (rwExec !== undefined && layout.rw === undefined) refuse("rwExec", "read-write partition");
  if (swapSize !== undefined && layout.swap === undefined) refuse("swapSize", "swap partition");
  return {
    ...layout,
    root: { ...layout.root, size: rootSize ?? layout.root.size },
    ...(layout.rw === undefined
      ? {}
      : {
          rw: {
            ...layout.rw,
            size: rwSize ?? layout.rw.size,
            integrity: integrity ?? layout.rw.integrity,
            exec: rwExec ?? layout.rw.exec,
          },
        }),
    ...(layout.swap === undefined ? {} : { swap: { size: swapSize ?? layout.swap.size } }),
  };
}
