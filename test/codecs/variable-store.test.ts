import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isBlankStore } from "../../src/codecs/variable-store.js";

const store = "/usr/share/OVMF/OVMF_VARS_4M.fd";

test.skipIf(!existsSync(store))("Debian's store is blank, and the one with keys is not", () => {
  expect(isBlankStore(readFileSync(store))).toBe(true);
  expect(isBlankStore(readFileSync(store.replace(".fd", ".ms.fd")))).toBe(false);
});

test.skipIf(!existsSync(store))("a byte anywhere behind the headers is a variable, or could become one", () => {
  const blank = readFileSync(store);
  const working = blank.indexOf(Buffer.from("2b29589e687c7d49a0ce6500fd9f1b95", "hex"));
  for (const offset of [100, 5000, working - 1, working + 32, blank.length - 1]) {
    const changed = Buffer.from(blank);
    changed[offset] = 0;
    expect(isBlankStore(changed)).toBe(false);
  }
});

test("other bytes are no store", () => {
  for (const size of [0, 47, 4096, 600_000]) expect(isBlankStore(Buffer.alloc(size, 0xff))).toBe(false);
});
