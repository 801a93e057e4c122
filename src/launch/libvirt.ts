import { isAbsolute } from "node:path";
import { type Element, element, xmlText } from "../codecs/xml.js";
import { HalError } from "../lib/errors.js";
import { parseSize } from "../lib/size.js";
import type { Launch } from "../model/generated.js";
import { sharePath } from "../model/shares.js";
import { requireFirmware } from "./firmware.js";
import { pathFrom, qemuOptions } from "./quote.js";
import { teeRules } from "./tee.js";

export interface LibvirtOptions {
  /** The folder of launch.json, as an absolute path. libvirt accepts no relative paths. */
  readonly base?: string;
  /** The directory (9p) or virtiofsd socket (virtiofs) of each share, by tag. */
  readonly shares?: Readonly<Record<string, string>>;
}

/** libvirt's own folder for images. hal uses it if the caller gives no base. */
const IMAGES = "/var/lib/libvirt/images";

/**
 * Returns the libvirt domain of an image as XML (libvirt.org/formatdomain.html). It is valid against libvirt's schema.
 * libvirt has no element for an IGVM file. The domain passes that file to QEMU through `qemu:commandline`.
 * @throws HalError "input" for an enclave, a relative path, a share without a directory, firmware that the launcher must give, or a character that XML cannot contain
 */
export function libvirtXml(launch: Launch, options: LibvirtOptions = {}): string {
  if (launch.boot === "enclave") throw new HalError("input", "libvirt cannot start a Nitro enclave", { remedy: "use --format nitro-cli" });
  requireFirmware(launch, "libvirt has no variables");
  const toAbsolute = absolutePathsFrom(options.base ?? `${IMAGES}/${launch.profile}`);
  const igvm = launch.firmware?.kind === "igvm" ? launch.firmware : undefined;
  const shared = launch.memory.backend !== undefined || launch.shares.some((share) => share.type === "virtiofs");
  const root = element(
    "domain",
    { type: "kvm", "xmlns:qemu": igvm === undefined ? undefined : "http://libvirt.org/schemas/domain/qemu/1.0" },
    element("name", {}, launch.profile),
    launch.memory.max === undefined
      ? undefined
      : element("maxMemory", { slots: launch.memory.slots, unit: "b" }, String(parseSize(launch.memory.max))),
    element("memory", { unit: "b" }, String(launch.memory.bytes)),
    shared ? element("memoryBacking", {}, element("source", { type: "memfd" }), element("access", { mode: "shared" })) : undefined,
    element("vcpu", { current: launch.cpu.max === undefined ? undefined : launch.cpu.count }, String(launch.cpu.max ?? launch.cpu.count)),
    osElement(launch, toAbsolute),
    element(
      "features",
      {},
      element("acpi"),
      element("apic"),
      launch.machine.options.kernel_irqchip === "split" ? element("ioapic", { driver: "qemu" }) : undefined,
    ),
    cpuElement(launch),
    launch.machine.options.hpet === "off"
      ? element("clock", { offset: "utc" }, element("timer", { name: "hpet", present: "no" }))
      : undefined,
    launch.machine.noReboot ? element("on_reboot", {}, "destroy") : undefined,
    devices(launch, toAbsolute, options),
    securityElement(launch),
    igvm === undefined
      ? undefined
      : commandLine(["-object", qemuOptions("igvm-cfg", { id: "igvm0", file: toAbsolute(igvm.path) }), "-machine", "igvm-cfg=igvm0"]),
  );
  return xmlText(root);
}

type ToAbsolute = (path: string) => string;

function absolutePathsFrom(base: string): ToAbsolute {
  return (path) => {
    const absolute = pathFrom(base, path);
    if (!isAbsolute(absolute)) throw new HalError("input", `libvirt requires absolute paths, and ${absolute} is relative`);
    return absolute;
  };
}

function osElement(launch: Launch, toAbsolute: ToAbsolute): Element {
  const { firmware } = launch;
  const direct = launch.boot === "direct" && launch.kernel !== undefined;
  const loader =
    firmware === undefined || firmware.kind === "igvm"
      ? []
      : [
          element(
            "loader",
            firmware.kind === "bios"
              ? { type: "rom", stateless: launch.tee === undefined ? undefined : "yes" }
              : { type: "pflash", readonly: "yes" },
            toAbsolute(firmware.path),
          ),
          firmware.vars === undefined ? undefined : element("nvram", { template: toAbsolute(firmware.vars.path) }),
        ];
  return element(
    "os",
    {},
    element("type", { arch: "x86_64", machine: launch.machine.type }, "hvm"),
    ...loader,
    direct ? element("kernel", {}, toAbsolute(launch.kernel?.path ?? "")) : undefined,
    direct && launch.initrd !== undefined ? element("initrd", {}, toAbsolute(launch.initrd.path)) : undefined,
    direct ? element("cmdline", {}, launch.cmdline) : element("boot", { dev: "hd" }),
  );
}

function cpuElement({ cpu, memory }: Launch): Element {
  const topology =
    cpu.topology && element("topology", { sockets: cpu.topology.sockets, cores: cpu.topology.cores, threads: cpu.topology.threads });
  // libvirt accepts memory slots only together with a NUMA cell.
  const all = cpu.max ?? cpu.count;
  const cell =
    memory.slots === undefined
      ? undefined
      : element("cell", { id: 0, cpus: all === 1 ? "0" : `0-${all - 1}`, memory: memory.bytes, unit: "b" });
  const numa = cell && element("numa", {}, cell);
  if (cpu.model === "host") return element("cpu", { mode: "host-passthrough" }, topology, numa);
  return element(
    "cpu",
    { mode: "custom", match: "exact", check: "none" },
    element("model", { fallback: "forbid" }, cpu.model),
    topology,
    numa,
  );
}

function devices(launch: Launch, toAbsolute: ToAbsolute, options: LibvirtOptions): Element {
  const iommu = launch.virtio?.iommu_platform ? "on" : undefined;
  const driver = iommu && element("driver", { iommu });
  const disks = launch.drives.map((drive, index) =>
    element(
      "disk",
      { type: "file", device: "disk" },
      element("driver", { name: "qemu", type: drive.format }),
      element("source", { file: toAbsolute(drive.path) }),
      element("target", { dev: `sd${String.fromCharCode(97 + index)}`, bus: "scsi" }),
      drive.snapshot ? element("transient") : undefined,
    ),
  );
  const modern = launch.virtio?.["disable-legacy"];
  return element(
    "devices",
    {},
    disks.length === 0
      ? undefined
      : element("controller", { type: "scsi", index: 0, model: modern ? "virtio-non-transitional" : "virtio-scsi" }, driver),
    ...disks,
    launch.net === undefined
      ? undefined
      : element(
          "interface",
          { type: "user" },
          ...(launch.net.forwards.length === 0 ? [] : [element("backend", { type: "passt" })]),
          ...launch.net.forwards.map(({ host, guest }) =>
            element("portForward", { proto: "tcp" }, element("range", { start: host, to: guest })),
          ),
          element("model", { type: modern ? "virtio-non-transitional" : "virtio" }),
          driver,
          launch.net.rom === false ? element("rom", { enabled: "no" }) : undefined,
        ),
    ...launch.shares.map((share) => shareElement(share, toAbsolute, options)),
    launch.vsock === undefined
      ? undefined
      : element("vsock", { model: "virtio" }, element("cid", { auto: "no", address: launch.vsock.cid })),
    element("serial", { type: "pty" }, element("target", { port: 0 })),
    element("console", { type: "pty" }, element("target", { type: "serial", port: 0 })),
    element("memballoon", { model: "none" }),
  );
}

function shareElement(share: Launch["shares"][number], toAbsolute: ToAbsolute, { shares }: LibvirtOptions): Element {
  const path = sharePath(shares, share.tag);
  if (path === undefined) {
    throw new HalError("input", `share ${share.tag} has no directory, and libvirt has no variables`, {
      remedy: `add --share ${share.tag}=DIR`,
    });
  }
  const virtiofs = share.type === "virtiofs";
  return element(
    "filesystem",
    { type: "mount", accessmode: virtiofs ? undefined : "mapped" },
    virtiofs ? element("driver", { type: "virtiofs" }) : undefined,
    element("source", virtiofs ? { socket: toAbsolute(path) } : { dir: toAbsolute(path) }),
    element("target", { dir: share.tag }),
  );
}

function securityElement({ tee }: Launch): Element | undefined {
  if (tee === undefined) return undefined;
  const security = teeRules(tee).libvirt(tee);
  if ("message" in security) throw new HalError("input", security.message, { remedy: security.remedy });
  const children = Object.entries(security.elements).map(([name, value]) =>
    value === undefined ? undefined : value === "" ? element(name) : element(name, {}, String(value)),
  );
  return element("launchSecurity", security.attributes, ...children);
}

function commandLine(args: readonly string[]): Element {
  return element("qemu:commandline", {}, ...args.map((value) => element("qemu:arg", { value })));
}
