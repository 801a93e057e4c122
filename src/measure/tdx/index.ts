import { directBoot, type Inputs, machineOf, noFirmware, type Prediction, registers, unknownRelease } from "../request.js";
import { mrtd } from "./mrtd.js";
import { predictRtmr } from "./rtmr.js";

export async function measureTdx(inputs: Inputs): Promise<Prediction> {
  const firmware = await measureFirmware(inputs);
  const without = (why: string): Prediction => {
    const unknown = ["rtmr1", "rtmr2"].map((register) => ({ platform: "tdx" as const, register, why }));
    return { values: firmware.values, notPredicted: [...firmware.notPredicted, ...unknown] };
  };
  if (inputs.request.boot !== "direct")
    return without("no value of a unified kernel image has been compared with hardware or another program");
  if (inputs.request.kernel === undefined) return without("it is a digest of the kernel, and none is given (--kernel FILE)");
  const firmwareVersion = await inputs.firmwareVersion();
  if (firmwareVersion === undefined) return without(unknownRelease);
  return registers("tdx", firmware, predictRtmr(await directBoot(inputs, firmwareVersion)), machineOf(inputs, firmwareVersion));
}

async function measureFirmware(inputs: Inputs): Promise<Prediction> {
  const firmware = await inputs.firmware();
  if (firmware === undefined) return { values: [], notPredicted: [{ platform: "tdx", register: "mrtd", why: noFirmware }] };
  const { passOrder } = inputs.request;
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
