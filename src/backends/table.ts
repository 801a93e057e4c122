import type { Backend } from "./backend.js";
import { debian } from "./debian/index.js";

/** Where kernel and root tree can come from, by the name that `--backend` takes. */
export const backends = { debian } satisfies Readonly<Record<string, Backend>>;
