import { stage } from "../../src/build/publish.js";

// A build that runs until it is killed. Like hal, it does not end at an interrupt.
process.on("SIGINT", () => {});
await stage(process.argv[2] ?? "", "p");
console.log("building");
