import { HalError } from "../lib/errors.js";

/** An XML element as data. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Element | string)[];
}

/** Makes an element: `element("source", {dir: "/x"})`. Skips attributes and children that are undefined. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly (Element | string | undefined)[]
): Element {
  const given = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
  return { name, attributes: Object.fromEntries(given), children: children.filter((child) => child !== undefined) };
}

/** The element as text, one element per line. A kind "input" error for a text that XML cannot contain. */
export function xmlText(root: Element, indent = ""): string {
  const attributes = Object.entries(root.attributes).map(([name, value]) => ` ${name}="${escapeXml(value)}"`);
  const open = `${indent}<${root.name}${attributes.join("")}`;
  if (root.children.length === 0) return `${open}/>\n`;
  const elements = root.children.filter((child) => typeof child !== "string");
  const text = root.children.filter((child) => typeof child === "string");
  if (elements.length === 0) return `${open}>${text.map(escapeXml).join("")}</${root.name}>\n`;
  return `${open}>\n${elements.map((child) => xmlText(child, `${indent}  `)).join("")}${indent}</${root.name}>\n`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** XML 1.0, section 2.2: a document cannot contain these characters, not even as a reference. */
function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the function refuses exactly these
  const wrong = /[\u0000-\u001f\u007f\ufffe\uffff]|\p{Surrogate}/u.exec(text);
  if (wrong !== null)
    throw new HalError("input", `${JSON.stringify(text)} has a character that XML cannot contain`, {
      remedy: "remove the control characters",
    });
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
