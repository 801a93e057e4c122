import { cmdlineBytes } from "../../codecs/cmdline.js";
import { readEif } from "../../codecs/eif.js";
import { maxEnclave, needed, type Prediction, type RequestFiles, readNamed, registers } from "../request.js";
import { enclavePcr0, type NitroImage, predictNitro } from "./pcrs.js";

export async function measureNitro(files: RequestFiles): Promise<Prediction> {
  const { eif } = files.request;
  const image = eif === undefined ? await enclaveFromParts(files) : await enclaveFromFile(eif);
  return registers("nitro", { values: [], notPredicted: [] }, predictNitro(image), {});
}

async function enclaveFromFile(file: string): Promise<NitroImage> {
  const eif = readEif((await readNamed(file, maxEnclave)).bytes, file);
  if (eif.signature === undefined) return eif;
  const { readEifSignature } = await import("../../codecs/eif-signature.js");
  const signature = readEifSignature(eif);
  if (signature === undefined) return eif;
  const own = enclavePcr0(eif);
  if (signature.pcr0 !== own) {
    throw eif.reader.error(eif.signature.offset, "EIF signature", `signs PCR 0 ${signature.pcr0}, but this image has ${own}`);
  }
  return { ...eif, certificate: signature.certificate };
}

async function enclaveFromParts({ request, kernel }: RequestFiles): Promise<NitroImage> {
  const ramdisks = await Promise.all(request.initrds.map((file) => readNamed(file, maxEnclave)));
  return {
    kernel: needed(await kernel(), "--kernel or --eif", "an enclave image has a kernel").bytes,
    cmdline: cmdlineBytes(needed(request.cmdline, "--cmdline", "it is measured")),
    ramdisks: ramdisks.map(({ bytes }) => bytes),
  };
}
