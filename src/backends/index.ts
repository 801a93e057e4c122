import type { Manifest } from "../model/generated.js";
import type { Backend } from "./backend.js";
import { buildroot } from "./buildroot/index.js";
import { debian } from "./debian/index.js";

/** Where kernel and root tree can come from, by the name that `--backend` takes. */
export const backends = { buildroot, debian } satisfies Readonly<Record<Manifest["backend"], Backend>>;
