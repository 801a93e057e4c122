import type { Random } from "../codecs/mutate.js";

type Json = unknown;
type Parent = Record<string, Json> | Json[];

/** Values of every type: paths, text that a launcher could misread, numbers at their limits. */
const values: readonly Json[] = [
  ...["", ".", "..", "../../../../etc/passwd", "/etc/passwd", "./bzImage", "a/../../x", "bzImage\u0000", "-x", "x,y=z", "nbd:host:1"],
  ...["${FIRMWARE}", "${FIRMWARE_VARS}", "${ENV_PATH}", "unix:/tmp/x", "unix:..", "pty", "json:{}", "launch.json", "disk.img"],
  ...["\u202eevil", "\u001b[2J", "\ud800", "ﬁ", "__proto__", "constructor", "0xb0000", "0xffffffffffffffff", "16T", "1K", "é".repeat(5000)],
  ...["sev-snp", "tdx", "nitro", "none", "direct", "disk", "enclave", "igvm", "pflash", "qcow2", "virtiofs"],
  ...[0, -1, 1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308],
  ...[true, false, null, [], {}, [[]], { path: "/etc/passwd" }],
];

/** Applies one to three changes to a copy of a JSON document: delete, duplicate, another value, another type, swapped parts. */
export function mutateJson(document: Json, random: Random): Json {
  const copy = structuredClone(document);
  const count = 1 + random(3);
  for (let index = 0; index < count; index++) {
    const places = placesOf(copy);
    const place = places[random(places.length)];
    if (place !== undefined) change(place, places, random);
  }
  return copy;
}

interface Place {
  readonly parent: Parent;
  readonly key: string;
}

function placesOf(value: Json): Place[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value).flatMap((key) => [{ parent: value as Parent, key }, ...placesOf((value as Record<string, Json>)[key])]);
}

function change({ parent, key }: Place, places: readonly Place[], random: Random): void {
  const target = parent as Record<string, Json>;
  const value = values[random(values.length)];
  switch (random(6)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete target[key];
      break;
    case 1:
      if (Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]));
      else target[`${key}2`] = target[key];
      break;
    case 2: {
      const other = places[random(places.length)];
      if (other !== undefined) target[key] = structuredClone((other.parent as Record<string, Json>)[other.key]);
      break;
    }
    case 3:
      target[key] = [target[key]];
      break;
    case 4:
      if (typeof target[key] === "string") target[key] = `${target[key]}${typeof value === "string" ? value : ""}`;
      else target[key] = value;
      break;
    default:
      target[key] = value;
  }
}
