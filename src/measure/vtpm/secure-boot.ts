import type { SecureBoot } from "../../codecs/firmware-volumes.js";
import { digestsOf } from "../../lib/banks.js";
import { guidBytes } from "../../lib/guid.js";
import { actions, type BootEvent } from "../events.js";

const globalVariable = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const imageSecurityDatabase = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/**
 * The events of PCR 7 for firmware without Secure Boot keys: five variables as UEFI_VARIABLE_DATA, then the separator (TCG PC Client PFP
 * 3.3.4.8 and 10.2.4, EV_EFI_VARIABLE_DRIVER_CONFIG; edk2 Tcg2Dxe, MeasureAllSecureVariables).
 */
export function secureBootEvents(secureBoot: Exclude<SecureBoot, "keys">): BootEvent[] {
  const variable = (name: string, vendor: string, value: Uint8Array): BootEvent => {
    const lengths = Buffer.alloc(16);
    lengths.writeBigUInt64LE(BigInt(name.length), 0);
    lengths.writeBigUInt64LE(BigInt(value.length), 8);
    const parts = [guidBytes(vendor), lengths, Buffer.from(name, "utf16le"), value];
    return {
      what: `variable ${name}, ${value.length === 0 ? "empty" : "off"}`,
      digests: digestsOf(...parts),
      size: parts.reduce((sum, part) => sum + part.length, 0),
      from: "firmware",
    };
  };
  const none = new Uint8Array();
  return [
    variable("SecureBoot", globalVariable, secureBoot === "absent" ? none : Uint8Array.of(0)),
    variable("PK", globalVariable, none),
    variable("KEK", globalVariable, none),
    variable("db", imageSecurityDatabase, none),
    variable("dbx", imageSecurityDatabase, none),
    actions.separator,
  ];
}
