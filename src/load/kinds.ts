import { resolve } from "node:path";

export const documentKinds = ["profile", "layout", "feature"] as const;
export type DocumentKind = (typeof documentKinds)[number];

/** The folder of a repository with the documents of each kind. */
export const folders: Readonly<Record<DocumentKind, string>> = { profile: "profiles", layout: "layouts", feature: "features" };

/** These folders of the working directory, which the caller chose. A name in any document can lead to a file there. */
export const callersFolders: readonly string[] = Object.values(folders).map((folder) => resolve(folder));
