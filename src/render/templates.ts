import type { HelperDelegate, TemplateDelegate } from "handlebars";
import { handlebars, templates } from "../../compiled/templates.js";
import { HalError, type Location } from "../lib/errors.js";
import { genimageString, hereDocumentLine, shellWord, tableField } from "../lib/escape.js";

type Escaper = (text: string, at: Location) => string;

/**
 * Fills the template `templates/NAME.hbs`. The helper around a variable escapes the value for the language of that place.
 * An unknown variable is a bug and throws.
 * @param at where the values come from, for the error about a value that the language cannot represent
 */
export function fill(name: string, view: object, at: Location): string {
  const language = (escaper: Escaper) => (value: unknown) => new handlebars.SafeString(escaper(String(known(value, name)), at));
  const block = (helper: HelperDelegate): HelperDelegate =>
    function (this: unknown, value: unknown, ...rest: unknown[]) {
      return helper.call(this, known(value, name), ...rest);
    };
  const { each, if: when, unless } = handlebars.helpers as Record<string, HelperDelegate>;
  if (each === undefined || when === undefined || unless === undefined) throw new Error("Handlebars without its block helpers");
  return compiled(name)(view, {
    partials: Object.fromEntries(partials.map((partial) => [partial, compiled(`board/hal/${partial}`)])),
    helpers: {
      each: block(each),
      if: block(when),
      unless: block(unless),
      shell: language(shellWord),
      genimage: language(genimageString),
      line: language(hereDocumentLine),
      field: language(tableField),
      comment: language(bareWord),
      number: language(wholeNumber),
    },
  });
}

/** Parts that both kinds of post-image.sh, or both kinds of init, include. */
const partials = ["post-image.uki", "post-image.disk", "init.lock"];

function compiled(name: string): TemplateDelegate {
  const template = templates[name];
  if (template === undefined) throw new Error(`templates/${name}.hbs does not exist`);
  return template;
}

/** Handlebars passes an unknown variable to a helper as undefined, without an error. */
function known(value: unknown, template: string): unknown {
  if (value === undefined || value === null) throw new Error(`templates/${template}.hbs uses a variable that its view does not have`);
  return value;
}

/** A word that every language reads as it is, for comments, messages and names. */
function bareWord(text: string, at: Location): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  throw new HalError("input", `${JSON.stringify(text)} cannot be used as a name`, { at, remedy: "use letters, digits and _@%+=:,./-" });
}

function wholeNumber(text: string, at: Location): string {
  if (/^[0-9]+$/.test(text)) return text;
  throw new HalError("input", `${JSON.stringify(text)} is not a whole number`, { at });
}
