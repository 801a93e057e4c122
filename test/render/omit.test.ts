import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import type { BackendName, Rendered } from "../../src/model/resolved.js";
import { render } from "../../src/render/render.js";
import { resolve } from "../../src/resolve/resolve.js";
import { profile, workspace } from "../load/workspace.js";
import { smallRoot } from "./small-root.js";

const text = ({ files }: Rendered, path: string): string =>
  new TextDecoder().decode(files.find((file) => file.path === `board/hal/${path}`)?.content);
const paths = ({ files }: Rendered): string[] => files.map(({ path }) => path.replace("board/hal/overlay/", "/"));

/** Everything of the board directory that says what the root has. */
const words = (rendered: Rendered): string =>
  [
    ...paths(rendered),
    ...rendered.files.filter(({ path }) => path.startsWith("board/")).map(({ path }) => text(rendered, path.slice(10))),
  ].join("\n");

describe("a feature of backends.debian.omit", () => {
  const install = '"[Mount]\\nWhere=/srv/left\\n\\n[Install]\\nWantedBy=multi-user.target\\n"';
  const feature = `apiVersion: hal/v1
kind: Feature
name: left
description: d
kernel: {modules: [left_module, shared-module]}
overlays: [left-overlay]
files: [{path: /etc/left.conf, content: x, owner: left}]
users: [{name: left, uid: 1700}]
units: [{name: srv-left.mount, content: ${install}}]
enable: [left.service, shared.service]
`;
  const more =
    "features: [./left.yaml]\nbackends: {debian: {omit: [left]}}\nkernel: {modules: [shared_module]}\nservices: {enable: [shared.service]}";
  const tree = async (backend: BackendName): Promise<Rendered> => {
    const files = { "left.yaml": feature, "p.yaml": profile(more), "left-overlay/usr/share/left/readme": "left" };
    return render(await resolve(join(await workspace(files), "p.yaml")), backend);
  };

  test("is whole in a Buildroot tree", async () => {
    const rendered = await tree("buildroot");
    expect(paths(rendered)).toEqual(
      expect.arrayContaining(["/etc/left.conf", "/etc/systemd/system/srv-left.mount", "/usr/share/left/readme"]),
    );
    expect(text(rendered, "modules")).toMatch(/^boot shared_module\nboot left_module$/m);
    expect(text(rendered, "users.table")).toMatch(/^left 1700/m);
    expect(text(rendered, "post-build.sh")).toMatch(/^left\.service\nshared\.service\nsrv-left\.mount$/m);
    expect(text(rendered, "overlay/etc/systemd/system-preset/00-hal.preset")).toMatch(/^enable left\.service$/m);
  });

  test("leaves nothing in a debian tree but what the profile asks for itself", async () => {
    const rendered = await tree("debian");
    expect(words(rendered)).not.toMatch(/left/);
    expect(text(rendered, "modules")).toMatch(/^boot shared_module$/m);
    expect(text(rendered, "overlay/etc/systemd/system-preset/00-hal.preset")).toMatch(/^enable shared\.service$/m);
  });
});

describe("sev-snp, which leaves agent and p9 out on debian", () => {
  const agent = ["cocos-agent", "attestation-service", "computation-runner", "egress-proxy", "log-forwarder"];
  const names = ["systemd-networkd", "systemd-networkd-wait-online", "systemd-resolved", "containerd", "docker", ...agent];
  const units = Object.fromEntries(names.map((name) => [`${name}.service`, "WantedBy=multi-user.target"]));

  test.each(agent)("a Buildroot image without %s.service fails in post-build.sh", async (name) => {
    const rendered = render(await resolve("sev-snp"), "buildroot");
    const { [`${name}.service`]: _, ...others } = units;
    const { root, board } = await smallRoot(rendered, others);
    const { exitCode, stderr } = await execa("sh", [join(board, "post-build.sh"), root], { reject: false });
    expect([exitCode, stderr]).toEqual([1, `post-build.sh: the root has no unit ${name}.service`]);
  });

  test("a Buildroot image with all units passes", async () => {
    const { root, board } = await smallRoot(render(await resolve("sev-snp"), "buildroot"), units);
    await execa("sh", [join(board, "post-build.sh"), root]);
  });

  test("a debian image has neither their units nor their modules, and no script that looks for them", async () => {
    const resolved = await resolve("sev-snp");
    expect(words(render(resolved, "debian"))).not.toMatch(/cocos|9p|attestation|egress|log-forwarder|if_there|optional/i);
    expect(words(render(resolved, "buildroot"))).toMatch(/boot 9pnet_virtio\nboot 9p\n/);
  });
});
