import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { formatError, formatLocation, HalError } from "../../src/lib/errors.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { broken } from "./broken.js";
import { profile, workspace } from "./workspace.js";

test("the corpus has at least 60 inputs", () => expect(broken.length).toBeGreaterThanOrEqual(60));

test("the unchanged profile is valid", async () => {
  const dir = await workspace({ "p.yaml": profile() });
  expect((await resolve(join(dir, "p.yaml"))).name).toBe("p");
});

describe("a broken input gets one located message and leaves no file behind", () => {
  test.each(broken.map((entry) => [entry.name, entry] as const))("%s", async (_, { files, set, says, at }) => {
    const dir = await workspace(files);
    const before = (await readdir(dir, { recursive: true })).sort();
    // `render` refuses values that the language of a rendered file cannot represent.
    const error = await resolve(join(dir, "p.yaml"), { set: set ?? [] })
      .then((resolved) => render(resolved, "buildroot"))
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
