const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** The bytes of a size as the schemas write it (`512M`, `8G`, `4096`). */
export function parseSize(text: string): number {
  const match = /^([0-9]+)([KMGT]?)$/.exec(text);
  if (match === null) throw new RangeError(`not a size: ${text}`);
  return Number(match[1]) * (units[match[2] ?? ""] ?? 1);
}

/** Bytes as a person reads them: `5.8 MB` is decimal, as disks and downloads are counted. */
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
