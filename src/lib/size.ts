const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/**
 * The number of bytes of a size in a profile, such as `512M`, `8G` or `4096`.
 * @throws RangeError for any other text
 */
export function parseSize(text: string): number {
  const match = /^([0-9]+)([KMGT]?)$/.exec(text);
  if (match === null) throw new RangeError(`not a size: ${text}`);
  return Number(match[1]) * (units[match[2] ?? ""] ?? 1);
}

/** A number of bytes for people, in decimal units as for disks and downloads: `5.8 MB`. */
export function formatSize(bytes: number): string {
  const steps = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let step = 0;
  while (value >= 1000 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${step === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${steps[step]}`;
}
