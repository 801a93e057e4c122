import { expect, test } from "vitest";
import { backends } from "../../src/backends/index.js";
import { program } from "../../src/cli.js";
import { formats } from "../../src/launch/formats.js";

const hal = program(() => new AbortController().signal);

// The command line has its own lists of choices, because it does not load the code of the commands.
test.each([
  ["build", "--backend", backends],
  ["check", "--backend", backends],
  ["run", "--format", formats],
])("hal %s %s accepts every implemented choice", (command, flag, table) => {
  const options = hal.commands.find((one) => one.name() === command)?.options ?? [];
  expect(options.find((one) => one.long === flag)?.argChoices).toEqual(Object.keys(table));
});
