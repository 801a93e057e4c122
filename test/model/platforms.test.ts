import { readFile } from "node:fs/promises";
import fastGlob from "fast-glob";
import { describe, expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";
import { evidenceField, platforms } from "../../src/model/platforms/index.js";

describe("platforms", () => {
  test("each platform has the name of its row", () => {
    for (const [name, platform] of Object.entries(platforms)) expect(platform.name).toBe(name);
  });

  test("no code outside of model/ compares the name of a platform", async () => {
    const files = await fastGlob("src/**/*.ts", { cwd: halRoot, ignore: ["src/model/**"] });
    expect(files.length).toBeGreaterThan(100);
    const comparing = [];
    for (const file of files) if (/platform\s*[!=]==/.test(await readFile(`${halRoot}/${file}`, "utf8"))) comparing.push(file);
    expect(comparing).toEqual([]);
  });

  test("evidenceField names the field of the evidence that contains a register", () => {
    expect(evidenceField("sev-snp", "launchDigest")).toBe("MEASUREMENT of the SEV-SNP attestation report");
    expect(evidenceField("tdx", "rtmr2")).toBe("RTMR2 of the TDX quote");
    expect(evidenceField("vtpm", "pcr4")).toBeUndefined();
  });
});
