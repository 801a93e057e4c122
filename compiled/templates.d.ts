import type Handlebars from "handlebars";

/** The Handlebars instance that runs the templates; it has no compiler. */
export const handlebars: typeof Handlebars;

/** The compiled templates by path below templates/, without `.hbs`. scripts/compile-templates.ts writes templates.js. */
export const templates: Readonly<Record<string, Handlebars.TemplateDelegate>>;
