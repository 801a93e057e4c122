import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { withFirmware } from "../../src/launch/firmware.js";
import { qemuArgv } from "../../src/launch/qemu.js";
import { launchOf } from "./fixture.js";
import { meaning } from "./options.js";

/** Splits a command line of the Cocos documentation (seeds 003 and 004) into words, as a shell does. */
const shellWords = (text: string): string[] =>
  [...text.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");

/** Cocos Manager, "Verifying VM Launch": an ordinary virtual machine that boots a disk. */
const manager = `
  -enable-kvm -machine q35 -cpu EPYC -smp 4,maxcpus=64 -m 4096M,slots=5,maxmem=30G
  -drive if=pflash,format=raw,unit=0,file=/usr/share/OVMF/OVMF_CODE.fd,readonly=on
  -drive if=pflash,format=raw,unit=1,file=img/OVMF_VARS.fd
  -device virtio-scsi-pci,id=scsi,disable-legacy=on,iommu_platform=true
  -drive file=DISK,if=none,id=disk0,format=FORMAT -device scsi-hd,drive=disk0
  -netdev user,id=vmnic,hostfwd=tcp::7020-:7002
  -device virtio-net-pci,disable-legacy=on,iommu_platform=true,netdev=vmnic,romfile=
  -nographic -monitor pty`;

/** The same machine with SEV. */
const managerSev = `${manager} -object sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=1 -machine memory-encryption=sev0`;

/** Cocos, "AMD SEV-SNP": direct boot with the IGVM file of COCONUT-SVSM. */
const snp = `
  -enable-kvm -cpu EPYC-v4 -machine q35 -smp 4,maxcpus=16 -m 8G,slots=5,maxmem=30G
  -netdev user,id=vmnic,hostfwd=tcp::7022-:7002
  -device virtio-net-pci,disable-legacy=on,iommu_platform=true,netdev=vmnic,romfile=
  -machine confidential-guest-support=sev0,memory-backend=ram1,igvm-cfg=igvm0
  -object memory-backend-memfd,id=ram1,size=8G,share=true,prealloc=false,reserve=false
  -object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1
  -object igvm-cfg,id=igvm0,file=IGVM
  -kernel bzImage -append "console=null quiet" -initrd rootfs.cpio.gz
  -nographic -monitor pty -monitor unix:monitor,server,nowait
  -fsdev local,id=env_fs,path=/env,security_model=mapped -device virtio-9p-pci,fsdev=env_fs,mount_tag=env_share
  -fsdev local,id=cert_fs,path=/certs,security_model=mapped -device virtio-9p-pci,fsdev=cert_fs,mount_tag=certs_share`;

/** Cocos, "Intel TDX". */
const tdx = `
  -enable-kvm -m 8G -smp cores=16,sockets=1,threads=1 -cpu host
  -object '{"qom-type":"tdx-guest","id":"tdx","quote-generation-socket":{"type": "vsock", "cid":"2","port":"4050"}}'
  -machine q35,kernel_irqchip=split,confidential-guest-support=tdx,memory-backend=mem0,hpet=off
  -bios /usr/share/ovmf/OVMF.fd -nographic -nodefaults -no-reboot -serial mon:stdio
  -device virtio-net-pci,netdev=nic0_td -netdev user,id=nic0_td,hostfwd=tcp::7020-:7002
  -kernel bzImage -append "console=null quiet" -object memory-backend-memfd,id=mem0,size=8G -initrd rootfs.cpio.gz
  -device vhost-vsock-pci,guest-cid=6 -monitor pty -monitor unix:monitor,server,nowait
  -fsdev local,id=env_fs,path=/env,security_model=mapped -device virtio-9p-pci,fsdev=env_fs,mount_tag=env_share
  -fsdev local,id=cert_fs,path=/certs,security_model=mapped -device virtio-9p-pci,fsdev=cert_fs,mount_tag=certs_share`;

const shares = { env_share: "/env", certs_share: "/certs" };

/** Seed 003 boots a disk with flash firmware in two parts, keeps the writes of the guest, and has no shares. */
const asManager = [
  "boot=uki",
  "launch.firmware.path=/usr/share/OVMF/OVMF_CODE.fd",
  "launch.firmware.vars=/img/OVMF_VARS.fd",
  "launch.disk.snapshot=false",
  "launch.shares=[]",
];

/** Firmware of the launching host: `hal run` gets it from the caller. */
const dir = mkdtempSync(join(tmpdir(), "hal-seeds-"));
afterAll(() => rmSync(dir, { recursive: true }));
const given = (name: string): string => {
  writeFileSync(join(dir, name), "");
  return join(dir, name);
};
const flash = { code: given("code"), vars: given("vars") };

describe("the command lines of the Cocos documentation, option by option", () => {
  test.each([
    { name: "Manager without TEE", profile: "sev", set: [...asManager, "platform=none"], firmware: flash, seed: manager },
    { name: "Manager with SEV", profile: "sev", set: asManager, firmware: flash, seed: managerSev },
    { name: "SEV-SNP with COCONUT-SVSM", profile: "sev-snp-ram", set: [], firmware: { code: given("igvm") }, seed: snp },
    { name: "TDX", profile: "tdx-ram", set: [], firmware: { code: given("ovmf") }, seed: tdx },
  ])("$name", async ({ profile, set, firmware, seed }) => {
    const launch = withFirmware(await launchOf(profile, set), firmware);
    const [tool, ...argv] = qemuArgv(launch, { shares });
    // Paths are those of the profile and the image. disk.img is raw, and the documentation boots a qcow2 image.
    const expected = seed
      .replace("/usr/share/OVMF/OVMF_CODE.fd", given("code"))
      .replace("img/OVMF_VARS.fd", given("vars"))
      .replace("/usr/share/ovmf/OVMF.fd", given("ovmf"))
      .replace("DISK", "disk.img")
      .replace("FORMAT", "raw")
      .replace("IGVM", given("igvm"));
    expect(tool).toBe("qemu-system-x86_64");
    expect(meaning(argv)).toEqual(meaning(shellWords(expected)));
  });
});
