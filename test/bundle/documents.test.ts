import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readManifest, readMeasurements, writeDocument } from "../../src/bundle/documents.js";
import { workspace } from "../load/workspace.js";
import { manifestOf } from "./manifest-fixture.js";

test("a document is read back as it was written, and its bytes do not depend on the order of its keys", async () => {
  const dir = await workspace({});
  const manifest = manifestOf();
  await writeDocument(dir, "manifest", manifest);
  const bytes = await readFile(join(dir, "manifest.json"), "utf8");
  expect(await readManifest(dir)).toEqual(manifest);
  await writeDocument(dir, "manifest", Object.fromEntries(Object.entries(manifest).reverse()) as typeof manifest);
  expect(await readFile(join(dir, "manifest.json"), "utf8")).toBe(bytes);
  await expect(writeDocument(dir, "manifest", manifest, "wx")).rejects.toMatchObject({ code: "EEXIST" });
});

test("a document that is missing or broken is refused with its file", async () => {
  const dir = await workspace({});
  const at = { file: join(dir, "measurements.json") };
  await expect(readMeasurements(dir)).rejects.toMatchObject({ kind: "input", message: "does not exist", at });
  await writeFile(at.file, "{");
  await expect(readMeasurements(dir)).rejects.toMatchObject({ kind: "input", message: "not valid JSON", at });
  await writeFile(at.file, "{}");
  await expect(readMeasurements(dir)).rejects.toMatchObject({ kind: "input" });
});
