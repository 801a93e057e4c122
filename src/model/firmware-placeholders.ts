/** A placeholder in launch.json for a firmware file that the launcher gives. */
export interface FirmwarePlaceholder {
  readonly word: string;
  /** The variable that the shell format reads. */
  readonly variable: string;
  readonly means: string;
  /** The option of `hal run` for the file. */
  readonly option: string;
}

/** A profile can name firmware that only the launching host has, such as the IGVM file of COCONUT-SVSM. */
export const firmwarePlaceholders = {
  code: { word: "${FIRMWARE}", variable: "FIRMWARE", means: "firmware file", option: "--firmware" },
  vars: {
    word: "${FIRMWARE_VARS}",
    variable: "FIRMWARE_VARS",
    means: "template of the firmware variable store",
    option: "--firmware-vars",
  },
} as const satisfies Readonly<Record<string, FirmwarePlaceholder>>;

/** Returns the placeholder that a firmware path is; undefined for a file of the image directory or of the caller. */
export function firmwarePlaceholder(file: { readonly path: string } | undefined): FirmwarePlaceholder | undefined {
  return Object.values(firmwarePlaceholders).find(({ word }) => word === file?.path);
}
