// Generated from schema/ by `npm run generate`. Do not edit.
export type * from "./schema-types/common.js";
export type * from "./schema-types/feature.js";
export type * from "./schema-types/launch-settings.js";
export type * from "./schema-types/launch.js";
export type * from "./schema-types/layout.js";
export type * from "./schema-types/manifest.js";
export type * from "./schema-types/measurements.js";
export type * from "./schema-types/profile.js";
