import { allValues, attempt, type Facts } from "../facts.js";
import { type Check, type CheckGroup, check, NOT_REPORTED } from "./check.js";
import { errorReason } from "./root.js";

/** The text of `found` for a feature that the kernel was built without. */
const NOT_IN_KERNEL = "not in this kernel";

/** Modules, lockdown, crash logs and SysRq are restricted. */
export const kernelChecks: CheckGroup = ({ debug }, { facts }) => {
  const sysctls = settings(facts, "sysctl");
  const files = settings(facts, "sys");
  return [
    modulesCheck(facts, sysctls.get("modules_disabled")),
    lockdownCheck(files.get("kernel/security/lockdown")),
    crashLogCheck(files.get("module/pstore/parameters/kmsg_bytes")),
    ...(debug ? [] : [sysrqCheck(sysctls.get("sysrq"))]),
  ];
};

/** The probe's lines `NAME=VALUE`; the value `none` means that the kernel does not have the file. */
function settings(facts: Facts, key: string): ReadonlyMap<string, string> {
  return new Map(
    allValues(facts, key).map((line) => {
      const [name = "", value = ""] = line.split("=");
      return [name, value];
    }),
  );
}

/** The probe tries to load a file that is no module. A kernel that allows modules reads it and reports a format error; a locked one refuses first. */
function modulesCheck(facts: Facts, disabled: string | undefined): Check {
  const name = "module loading disabled";
  if (disabled === "none") return check(name, true, "disabled", NOT_IN_KERNEL);
  const load = attempt(facts, "load-module");
  const refusedFirst = load?.refused === true && /not permitted|not implemented/i.test(load.message);
  const found = disabled === "1" ? (load === undefined ? "not attempted" : errorReason(load.message)) : "enabled";
  return check(name, disabled === "1" && refusedFirst, "disabled", found);
}

/** The file lists all modes, the active one in brackets (kernel_lockdown(7)). */
function lockdownCheck(modes: string | undefined): Check {
  const found = modes === "none" ? NOT_IN_KERNEL : (/\[(\w+)\]/.exec(modes ?? "")?.[1] ?? NOT_REPORTED);
  return check("kernel lockdown", ["integrity", "confidentiality", NOT_IN_KERNEL].includes(found), "integrity or confidentiality", found);
}

/** pstore writes the kernel log of a crash to a store of the host, at most this many bytes. */
function crashLogCheck(bytes: string | undefined): Check {
  const found = bytes === "none" ? NOT_IN_KERNEL : bytes === undefined ? NOT_REPORTED : `${bytes} bytes`;
  return check("no crash log for the host", bytes === "none" || bytes === "0", "0 bytes", found);
}

function sysrqCheck(value: string | undefined): Check {
  const found = value === "none" ? NOT_IN_KERNEL : value === undefined ? NOT_REPORTED : value === "0" ? "disabled" : `enabled (${value})`;
  return check("SysRq disabled", value === "0" || value === "none", "disabled", found);
}
