import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { formatError, formatLocation, HalError } from "../../src/lib/errors.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { broken } from "./broken.js";
import { profile, workspace } from "./workspace.js";

test("the corpus is large", () => expect(broken.length).toBeGreaterThanOrEqual(60));

test("the profile that the broken ones are made from is right", async () => {
  const dir = await workspace({ "p.yaml": profile() });
  expect((await resolve(join(dir, "p.yaml"))).name).toBe("p");
});

describe("every broken input gets one located message and leaves nothing behind", () => {
  test.each(broken.map((entry) => [entry.name, entry] as const))("%s", async (_, { files, set, says, at }) => {
    const dir = await workspace(files);
    const before = (await readdir(dir, { recursive: true })).sort();
    // Some values are refused only by the language that they would be written in: that is what render knows.
    const error = await resolve(join(dir, "p.yaml"), { set: set ?? [] })
      .then(render)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HalError);
    if (!(error instanceof HalError)) return;
    expect(error.kind).toBe("input");
    expect(formatError(error)).toMatch(says);
    expect(error.at).toBeDefined();
    const place =
      error.at === undefined
        ? ""
        : formatLocation({ ...error.at, file: error.at.file.startsWith("--") ? error.at.file : relative(dir, error.at.file) });
    expect(`${place}:`.startsWith(`${at}:`), `${place} should be ${at}`).toBe(true);
    expect((await readdir(dir, { recursive: true })).sort()).toEqual(before);
  });
});
