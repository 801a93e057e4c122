/**
 * The house: a room imports only from the rooms below it (docs/architecture.md).
 * Lowest first; adding a room is one word here.
 */
const rooms = [
  "lib",
  "codecs",
  "model",
  "kconfig",
  "load",
  "bundle",
  "measure",
  "launch",
  "resolve",
  "render",
  "backends",
  "build",
  "verify",
  "prove",
  "commands",
];

const upwards = rooms.map((room, index) => ({
  name: `${room}-imports-downwards`,
  severity: "error",
  from: { path: `^src/${room}/` },
  to: { path: `^src/((${rooms.slice(index + 1).join("|") || "main"})/|[^/]+[.]ts$)` },
}));

export default {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    { name: "known-room", severity: "error", from: {}, to: { path: `^src/(?!(${rooms.join("|")})/)[^/]+/` } },
    ...upwards,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
