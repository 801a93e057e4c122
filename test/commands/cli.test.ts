import { expect, test } from "vitest";
import { backends } from "../../src/backends/index.js";
import { program } from "../../src/cli.js";
import { formats } from "../../src/launch/formats.js";

const hal = program(() => new AbortController().signal);

// The command line is made without loading what it chooses from: each command loads its own.
test.each([
  ["build", "--backend", backends],
  ["check", "--backend", backends],
  ["run", "--format", formats],
])("hal %s %s takes what there is", (command, flag, table) => {
  const options = hal.commands.find((one) => one.name() === command)?.options ?? [];
  expect(options.find((one) => one.long === flag)?.argChoices).toEqual(Object.keys(table));
});
