import { directBoot, machineOf, noFirmware, type Prediction, type RequestFiles, registers, unknownRelease } from "../request.js";
import { mrtd } from "./mrtd.js";
import { predictRtmr } from "./rtmr.js";

export async function measureTdx(files: RequestFiles): Promise<Prediction> {
  const firmware = await measureFirmware(files);
  const without = (why: string): Prediction => {
    const unknown = ["rtmr1", "rtmr2"].map((register) => ({ platform: "tdx" as const, register, why }));
    return { values: firmware.values, notPredicted: [...firmware.notPredicted, ...unknown] };
  };
  if (files.request.boot !== "direct")
    return without("no value of a unified kernel image has been compared with hardware or another program");
  if (files.request.kernel === undefined) return without("it is a digest of the kernel, and none is given (--kernel FILE)");
  const firmwareVersion = await files.firmwareVersion();
  if (firmwareVersion === undefined) return without(unknownRelease);
  return registers("tdx", firmware, predictRtmr(await directBoot(files, firmwareVersion)), machineOf(files, firmwareVersion));
}

async function measureFirmware(files: RequestFiles): Promise<Prediction> {
  const firmware = await files.firmware();
  if (firmware === undefined) return { values: [], notPredicted: [{ platform: "tdx", register: "mrtd", why: noFirmware }] };
  const { passOrder } = files.request;
  const orders = passOrder === undefined ? (["single", "two"] as const) : [passOrder];
  const values = orders.map((order) => {
    const measured = mrtd(firmware.parsed, order);
    return {
      platform: "tdx" as const,
      register: "mrtd",
      bank: "sha384" as const,
      value: measured.digest,
      holdsFor: { firmware: firmware.sha256, passOrder: order },
      from: ["firmware"],
      steps: () => measured.steps,
    };
  });
  return { values, notPredicted: [] };
}
