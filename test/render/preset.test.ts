import { existsSync } from "node:fs";
import { chmod, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { inNamespace } from "../../src/lib/namespace.js";
import { runCommand } from "../../src/lib/tools.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";
import { skipEach } from "../skip-each.js";
import { links, smallRoot } from "./small-root.js";

const { exitCode } = await execa("systemctl", ["--version"], { reject: false });
const noSystemctl = exitCode === 0 ? undefined : "systemctl is not installed";

/** Units as systemd installs them, as far as presets look at them. */
const systemd: Readonly<Record<string, string>> = {
  "multi-user.target": "",
  "reboot.target": "Alias=ctrl-alt-del.target",
  "getty@.service": "WantedBy=getty.target\nDefaultInstance=tty1\nAlias=autovt@.service",
  "serial-getty@.service": "WantedBy=getty.target",
  "systemd-pcrlock-firmware-code.service": "WantedBy=sysinit.target",
  "systemd-pcrextend.socket": "WantedBy=sockets.target",
  "of-a-package.service": "WantedBy=multi-user.target",
};

const systemctlIn = (root: string, ...args: string[]) => execa("systemctl", [`--root=${root}`, "--quiet", ...args]);

test("the masks of post-build.sh stay when Buildroot presets all units", async ({ skip }) => {
  skip(noSystemctl !== undefined, noSystemctl);
  const { root, board } = await smallRoot(render(await resolve("nitro"), "buildroot"), systemd);
  await writeFile(join(root, "usr/bin/mount"), "", { mode: 0o755 });
  await chmod(join(root, "usr/bin/mount"), 0o4755);
  await execa("sh", [join(board, "post-build.sh"), root]);
  expect((await stat(join(root, "usr/bin/mount"))).mode & 0o7777).toBe(0o755);
  const configured = join(root, "etc/systemd/system");
  const before = await links(configured);
  const masks = Object.entries(before).filter(([, target]) => target === "/dev/null");
  expect(masks.length).toBeGreaterThan(30);
  expect(Object.keys(before).filter((path) => path.includes("/"))).toEqual([]);

  // systemctl before version 257 fails here where a mask is in the place of an alias; a newer one removes the mask.
  await systemctlIn(root, "preset-all");
  const after = await links(configured);
  expect(Object.entries(after).filter(([, target]) => target === "/dev/null")).toEqual(masks);
  expect(Object.keys(after).filter((path) => path.includes("/"))).toEqual([
    "multi-user.target.wants/nitro-ready.service",
    "multi-user.target.wants/of-a-package.service",
  ]);
});

test("post-build.sh never takes the running machine for a root tree", async () => {
  const { root, board } = await smallRoot(render(await resolve("nitro"), "buildroot"), systemd);
  await execa("cp", [join(board, "post-build.sh"), root]);
  for (const name of ["sbin", "lib", "lib64"]) await execa("ln", ["-sfn", `usr/${name}`, join(root, name)]);
  // Inside of the small root, whose `/` may be lost, with the programs of this machine.
  const programs = 'mount --bind /usr "$1/usr"; mount -o remount,bind,ro "$1/usr"; chroot "$1" /bin/sh /post-build.sh "$2"';
  for (const argument of ["/", "/etc/..", ""]) {
    const command = inNamespace({ tool: "sh", args: ["-euc", programs, "sh", root, argument] });
    const { exitCode, stderr } = await runCommand(command, { allowFailure: true });
    expect(exitCode, argument).not.toBe(0);
    expect(stderr).toMatch(argument === "" ? /parameter not set or null/ : /is this machine's own root/);
  }
  expect(existsSync(join(root, "etc/hostname"))).toBe(false);
});

describe("units are enabled as `systemctl --root enable` does", () => {
  skipEach(noSystemctl);
  const packaged = {
    ...systemd,
    "network.service": "WantedBy=multi-user.target\nAlias=dbus-network.service\nAlso=network.socket wait.service",
    "network.socket": "WantedBy=sockets.target",
    "wait.service": "WantedBy=network-online.target",
    "template@.service": "WantedBy=multi-user.target\nDefaultInstance=default",
    "instance@.service": "RequiredBy=multi-user.target",
    "stopped.service": "WantedBy=multi-user.target",
  };
  const own = "services: {units: [{name: own.service, content: OWN}, {name: idle.service, content: OWN, enable: false}], enable: ENABLE";
  const content = '"[Service]\\nExecStart=/bin/true\\n\\n[Install]\\nWantedBy=multi-user.target\\n"';
  const enabled = ["network.service", "template@.service", "instance@one.service", "instance@two.service", "stopped.service"];
  const resolved = async (...set: string[]) => {
    const text = `${own.replaceAll("OWN", content).replace("ENABLE", `[${enabled}]`)}, disable: [stopped.service]}`;
    return resolve(join(await workspace({ "p.yaml": profile(text) }), "p.yaml"), { set });
  };
  const without = (all: Readonly<Record<string, string>>, ...unwanted: string[]) =>
    Object.fromEntries(
      Object.entries(all).filter(([path, target]) => target !== "/dev/null" && !unwanted.some((name) => path.includes(name))),
    );

  test.each([{ debug: "false" }, { debug: "true" }])("by post-build.sh on the debian backend, debug: $debug", async ({ debug }) => {
    const rendered = render(await resolved(`debug=${debug}`), "debian");
    const { root, board } = await smallRoot(rendered, packaged);
    await execa("sh", [join(board, "post-build.sh"), root]);

    const { root: expected } = await smallRoot(rendered, packaged);
    const wanted = [...enabled.slice(0, -1), "own.service", ...(debug === "true" ? ["serial-getty@ttyS0.service"] : [])];
    await systemctlIn(expected, "enable", ...wanted);
    const found = await links(join(root, "etc/systemd/system"));
    expect(without(found, "default.target")).toEqual(await links(join(expected, "etc/systemd/system")));
    expect(found).toMatchObject({
      "dbus-network.service": "/usr/lib/systemd/system/network.service",
      "sockets.target.wants/network.socket": "/usr/lib/systemd/system/network.socket",
      "multi-user.target.wants/template@default.service": "/usr/lib/systemd/system/template@.service",
      "multi-user.target.requires/instance@two.service": "/usr/lib/systemd/system/instance@.service",
      "stopped.service": "/dev/null",
    });
    await execa("sh", [join(board, "post-build.sh"), root]); // again
    expect(await links(join(root, "etc/systemd/system"))).toEqual(found);
  });

  test("by Buildroot itself, from the preset file", async () => {
    const rendered = render(await resolved("debug=true"), "buildroot");
    const { root, board } = await smallRoot(rendered, packaged);
    await execa("sh", [join(board, "post-build.sh"), root]);
    await systemctlIn(root, "preset-all");

    const { root: expected } = await smallRoot(rendered, packaged);
    await systemctlIn(expected, "enable", ...enabled.slice(0, -1), "own.service", "serial-getty@ttyS0.service");
    // preset-all enables what else has an [Install] section.
    const found = without(await links(join(root, "etc/systemd/system")), "default.target", "of-a-package", "getty@tty1", "autovt@");
    expect(found).toEqual(await links(join(expected, "etc/systemd/system")));
  });

  test("a unit that the root does not have fails the build on both backends", async () => {
    for (const backend of ["buildroot", "debian"] as const) {
      const { "wait.service": _, "network.service": __, ...some } = packaged;
      const { root, board } = await smallRoot(render(await resolved(), backend), some);
      const { exitCode, stderr } = await execa("sh", [join(board, "post-build.sh"), root], { reject: false });
      expect(exitCode, backend).toBe(1);
      expect(stderr).toMatch(/network\.service/);
    }
  });
});
