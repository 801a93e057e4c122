import { _, Ajv, type KeywordCxt } from "ajv";
import standalone from "ajv/dist/standalone/index.js";
import { fileSchemas, readSchemas } from "./schemas.js";

/** A module that exports a validator for each schema that describes a file; compiled/validators.d.ts has the types. */
export function compileValidators(): string {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    strict: false,
    passContext: true,
    meta: false,
    validateSchema: false,
    code: { source: true, esm: true },
  });
  ajv.addKeyword({ keyword: "x-hal-path", type: "string", code: recordHostPath });
  const schemas = readSchemas();
  for (const schema of schemas.values()) ajv.addSchema(schema);
  const exported = fileSchemas(schemas).map((name) => [name.replace(".schema.json", ""), name]);
  return standalone.default(ajv, Object.fromEntries(exported));
}

/** The keyword `x-hal-path`: adds the value's place to the `hostPaths` of the context that the caller passes as `this`. */
function recordHostPath({ gen, it }: KeywordCxt): void {
  gen.code(_`this.hostPaths.push({ pointer: instancePath + ${it.errorPath}, parent: ${it.parentData}, key: ${it.parentDataProperty} })`);
}
