import { open } from "node:fs/promises";
import { readDiskGpt } from "../../bundle/disk.js";
import type { Gpt } from "../../codecs/gpt.js";
import {
  directBoot,
  machineOf,
  type Prediction,
  type RequestFiles,
  reading,
  readNamed,
  registers,
  unifiedKernel,
  unknownRelease,
  type Value,
} from "../request.js";
import { predictVtpm, type VtpmBoot } from "./pcrs.js";

/** Registers that depend on the firmware file and not only on its release. */
const firmwareRegisters: ReadonlySet<string> = new Set(["pcr0", "pcr7"]);
/** For a unified kernel image without a stated QEMU release. Later releases do not change the image either. */
const defaultQemu = "10.0";

export async function measureVtpm(files: RequestFiles): Promise<Prediction> {
  const { request } = files;
  const { boot } = request;
  const firmwareVersion = await files.firmwareVersion();
  if (firmwareVersion === undefined)
    return { values: [], notPredicted: [{ platform: "vtpm", register: "every PCR", why: unknownRelease }] };
  // In a TEE, the vTPM measures the copy of the firmware inside the SVSM, not this file.
  const firmware = request.guest === "plain" ? await files.firmware() : undefined;
  const variables = firmware === undefined || request.vars === undefined ? {} : { variables: (await readNamed(request.vars)).bytes };
  const common = { firmwareVersion, ...(firmware === undefined ? {} : { firmware: firmware.parsed }), ...variables };
  const predict = (image: VtpmBoot, holdsFor: Value["holdsFor"]): Prediction => {
    const { values, notPredicted } = registers("vtpm", { values: [], notPredicted: [] }, predictVtpm(image), holdsFor);
    const own = { ...holdsFor, ...(firmware === undefined ? {} : { firmware: firmware.sha256 }) };
    return { values: values.map((value) => (firmwareRegisters.has(value.register) ? { ...value, holdsFor: own } : value)), notPredicted };
  };
  if (boot === "direct")
    return predict(
      { boot, ...common, ...(await directBoot(files, firmwareVersion)), guest: request.guest },
      machineOf(files, firmwareVersion),
    );
  const uki = await unifiedKernel(request);
  if (boot === "uki-kernel") {
    const { qemuVersion = defaultQemu } = request;
    return predict({ boot, ...common, uki, qemuVersion, guest: request.guest }, { qemuVersion, firmwareVersion, boot });
  }
  const gpt = request.disk === undefined ? {} : { gpt: await readDisk(request.disk) };
  return predict({ boot, ...common, uki, ...gpt }, { firmwareVersion, boot });
}

function readDisk(file: string): Promise<Gpt> {
  return reading(file, async () => {
    const disk = await open(file);
    try {
      return await readDiskGpt(disk, file);
    } finally {
      await disk.close();
    }
  });
}
