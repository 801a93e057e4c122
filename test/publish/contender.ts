import { stage } from "../../src/publish.js";

// One of several processes that all want to build the same names at the same moments, and keep what they get.
const [out = "", rounds = "0", start = "0", pace = "0"] = process.argv.slice(2);
const won: number[] = [];
for (let round = 0; round < Number(rounds); round++) {
  const moment = Number(start) + round * Number(pace);
  while (Date.now() < moment); // to the millisecond: sleeping would spread them
  await stage(out, `p${round}`).then(
    () => won.push(round),
    () => {},
  );
}
console.log(JSON.stringify(won));
process.stdin.resume(); // what it got is a dead one's as soon as it ends: not before the slowest is done
