import { type ParameterRow, parameterRows } from "../src/model/kernel-parameters.js";

/** The accepted values of a parameter: a list where the expression is one, else the expression. */
function acceptedValues({ fine, enclave }: ParameterRow): string {
  if (fine === undefined) return "none";
  const whole = /^\^(?:\(\?:)?(.*?)\)?\$$/.exec(fine.source)?.[1] ?? "";
  const values = whole.split("|");
  const listed = values.every((value) => /^-?[A-Za-z0-9_,-]*$/.test(value));
  const text = listed
    ? values.map((value) => (value === "" ? "no value" : `\`${value}\``)).join(", ")
    : `\`${fine.source.replaceAll("|", "\\|")}\``;
  return enclave ? `${text} (enclaves)` : text;
}

/** The reference page of the kernel parameters that hal knows. */
export function parameterReference(): string {
  const rows = parameterRows.map((row) => {
    const names = row.names.map((name) => `\`${name === "__" ? "--" : name}\``).join(" ");
    const others = row.undoes === undefined ? "unknown" : row.undoes;
    return `| ${names} | ${acceptedValues(row)} | ${others}${row.debug ? " (allowed with `debug: true`)" : ""} |`;
  });
  return `<!-- Generated from src/model/kernel-parameters.ts by \`npm run generate\`. Do not edit. -->

# Kernel parameters

[boot.md](../boot.md#the-kernel-command-line) explains how hal judges a kernel command line. These are
the parameters that hal knows. Every other parameter is unknown. \`-\` and \`_\` in a name are equal, and
\`*\` means any rest. A name without \`*\` has priority.

| parameter | accepted values | other values |
|---|---|---|
${rows.join("\n")}
`;
}
