import { stage } from "../../src/build/publish.js";

// A build that lasts until it is killed, and like hal itself takes an interrupt as a reason to put things away first.
process.on("SIGINT", () => {});
await stage(process.argv[2] ?? "", "p");
console.log("building");
