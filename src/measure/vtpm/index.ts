import { open } from "node:fs/promises";
import { gptSize, readGpt } from "../../codecs/gpt.js";
import {
  directBoot,
  type Inputs,
  machineOf,
  type Prediction,
  reading,
  readNamed,
  registers,
  unifiedKernel,
  unknownRelease,
  type Value,
} from "../request.js";
import { predictVtpm, type VtpmBoot } from "./pcrs.js";

/** Registers that depend on the firmware file, not only on its release. */
const ofFirmware: ReadonlySet<string> = new Set(["pcr0", "pcr7"]);
/** Where nothing else is said of how a unified kernel image is started: any later one leaves it as it is, too. */
const defaultQemu = "10.0";

export async function measureVtpm(inputs: Inputs): Promise<Prediction> {
  const { request } = inputs;
  const { boot } = request;
  const firmwareVersion = await inputs.firmwareVersion();
  if (firmwareVersion === undefined)
    return { values: [], notPredicted: [{ platform: "vtpm", register: "every PCR", why: unknownRelease }] };
  // The firmware that a TEE starts runs beside a TPM only where an SVSM has its own copy of it.
  const firmware = request.guest === "plain" ? await inputs.firmware() : undefined;
  const variables = firmware === undefined || request.vars === undefined ? {} : { variables: (await readNamed(request.vars)).bytes };
  const common = { firmwareVersion, ...(firmware === undefined ? {} : { firmware: firmware.parsed }), ...variables };
  const predict = (image: VtpmBoot, holdsFor: Value["holdsFor"]): Prediction => {
    const { values, notPredicted } = registers("vtpm", { values: [], notPredicted: [] }, predictVtpm(image), holdsFor);
    const own = { ...holdsFor, ...(firmware === undefined ? {} : { firmware: firmware.sha256 }) };
    return { values: values.map((value) => (ofFirmware.has(value.register) ? { ...value, holdsFor: own } : value)), notPredicted };
  };
  if (boot === "direct")
    return predict(
      { boot, ...common, ...(await directBoot(inputs, firmwareVersion)), guest: request.guest },
      machineOf(inputs, firmwareVersion),
    );
  const uki = await unifiedKernel(request);
  if (boot === "uki-kernel") {
    const { qemuVersion = defaultQemu } = request;
    return predict({ boot, ...common, uki, qemuVersion, guest: request.guest }, { qemuVersion, firmwareVersion, boot });
  }
  const gpt = request.disk === undefined ? {} : { gpt: await readDiskGpt(request.disk) };
  return predict({ boot, ...common, uki, ...gpt }, { firmwareVersion, boot });
}

/** Only the start of a disk is read, however large it is. */
function readDiskGpt(file: string) {
  return reading(file, async () => {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(Math.min(gptSize, size));
      await handle.read(bytes, 0, bytes.length, 0);
      return readGpt(bytes, file, BigInt(Math.floor(size / 512)));
    } finally {
      await handle.close();
    }
  });
}
