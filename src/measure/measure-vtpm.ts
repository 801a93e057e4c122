import { open } from "node:fs/promises";
import { gptSize, readGpt } from "./gpt.js";
import { directBoot, type Inputs, machineOf, needed, type Prediction, reading, readNamed, registers } from "./inputs.js";
import { predictVtpm, type VtpmBoot } from "./vtpm.js";

export async function measureVtpm(inputs: Inputs): Promise<Prediction> {
  const { request } = inputs;
  const { boot } = request;
  const firmwareVersion = needed(request.firmwareVersion, "--firmware-version", "the edk2 release decides what it measures");
  const nothing: Prediction = { values: [], notPredicted: [] };
  if (boot === "direct") {
    return registers("vtpm", nothing, predictVtpm({ boot, ...(await directBoot(inputs)), guest: request.guest }), machineOf(inputs));
  }
  const uki = await readNamed(needed(request.uki, "--uki", "a unified kernel image is what boots"));
  const image: VtpmBoot =
    boot === "uki-kernel"
      ? { boot, firmwareVersion, uki }
      : { boot, firmwareVersion, uki, gpt: await readDiskGpt(needed(request.disk, "--disk", "its partition table is measured")) };
  return registers("vtpm", nothing, predictVtpm(image), { firmwareVersion, boot });
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
