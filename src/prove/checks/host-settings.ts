import { SMBIOS_UUID } from "../boot.js";
import { allValues, lastValue } from "../facts.js";
import { type CheckGroup, check, NOT_REPORTED } from "./check.js";

/**
 * systemd uses no setting of the host. A host could pass a unit, a password or a kernel parameter as a credential, in SMBIOS, or in an EFI
 * variable. Every boot of `hal test` passes credentials and a UUID, and some pass EFI variables.
 */
export const hostSettingsChecks: CheckGroup = ({ init }, { facts }) => {
  if (init !== "systemd") return [];
  const used = [
    ...allValues(facts, "credential"),
    ...allValues(facts, "offered"),
    ...allValues(facts, "manager").filter((variable) => variable.startsWith("HAL_PROOF")),
    ...allValues(facts, "machine-id").filter((id) => id === SMBIOS_UUID.replaceAll("-", "")),
  ];
  const found = lastValue(facts, "credentials") === "seen" ? used.join(", ") || "none" : NOT_REPORTED;
  return [check("no host settings used", found === "none", "none", found)];
};
