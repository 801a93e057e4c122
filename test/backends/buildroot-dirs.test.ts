import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type BuildrootDirs, buildrootDirs, makeDirs, seenByMake, toRealPaths } from "../../src/backends/buildroot/dirs.js";
import { makeCommand, shellCommand } from "../../src/backends/buildroot/environment.js";
import { gateExternalTree } from "../../src/backends/buildroot/gate.js";
import { filesNamingBuild } from "../../src/backends/buildroot/leaks.js";
import { runMake } from "../../src/backends/buildroot/make.js";
import { planRebuild, type RebuildState } from "../../src/backends/buildroot/rebuild.js";
import { showInfo } from "../../src/backends/buildroot/show-info.js";
import type { BuildrootTree } from "../../src/backends/buildroot/source.js";
import { versionOf } from "../../src/backends/buildroot/source.js";
import { formatError, type HalError } from "../../src/lib/errors.js";
import { inSandbox, isRoot, remedyFor, sandboxObjection } from "../../src/lib/namespace.js";
import { halRoot } from "../../src/lib/paths.js";
import { runCommand, runInteractive } from "../../src/lib/tools.js";
import { render } from "../../src/render/render.js";
import { writeTree } from "../../src/render/write-tree.js";
import { resolve } from "../../src/resolve/resolve.js";
import { buildroot, noBuildroot } from "../kconfig/tree.js";
import { skipEach } from "../skip-each.js";

const signal = new AbortController().signal;
/** Characters that break a path in make, a mount option or a shell command. */
const ODD = "a b, c:d\n$(touch oops) 'e' \"f\" @%#\\";

const made: string[] = [];
const top = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "hal-place-"));
  made.push(dir);
  return dir;
};
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

const why = await sandboxObjection("one", signal);
const noNamespaces = why === undefined ? undefined : `this machine permits no namespaces: ${why}`;

interface Site {
  readonly dir: string;
  readonly tree: BuildrootTree;
  readonly dirs: BuildrootDirs;
}

/** A tree with the given Makefile and the directories of a build, all below `name`. */
async function site(name: string, makefile: string): Promise<Site> {
  const dir = join(top(), name);
  for (const inside of ["tree", "external", "dl", "work/buildroot"]) mkdirSync(join(dir, inside), { recursive: true });
  writeFileSync(join(dir, "tree/Makefile"), makefile);
  const dirs = buildrootDirs(join(dir, "work"), join(dir, "external"), { downloads: join(dir, "dl") });
  return { dir, tree: { dir: join(dir, "tree"), version: "2025.02.16", commit: undefined }, dirs };
}

const driven = ({ dir }: Site) => ({ log: join(dir, "log"), report: () => {}, verbose: false, signal });

async function failureOf(work: Promise<unknown>): Promise<HalError> {
  return work.then(
    () => Promise.reject(new Error("no error")),
    (error: unknown) => error as HalError,
  );
}

/** The state of an empty build, in a directory that make saw as this one. */
function stateAt(buildrootOutput: string): RebuildState {
  const none = new Map();
  const packages = { packages: none, recipes: none, reads: none, fragments: none, overlay: none };
  return { buildroot: "2025.02.16", buildrootOutput, config: none, layout: "", scripts: "", ...packages };
}

/** Whether a process with this command line runs on the machine. */
function runs(command: string): boolean {
  const read = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    } catch {
      return ""; // it has ended
    }
  };
  return readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && read(pid) === command);
}

describe("make's fixed paths", () => {
  skipEach(noNamespaces);

  const EVERYTHING =
    "all:\n\t@pwd; echo '$(CURDIR) $(O) $(BR2_EXTERNAL)'; env | sort; ls / /proc/self/task | wc -l; echo made > $(O)/made\n";

  it("do not depend on the real paths", async () => {
    const sites = [await site("x", EVERYTHING), await site(ODD, EVERYTHING)];
    const outputs: string[] = [];
    for (const { tree, dirs } of sites) outputs.push((await runCommand(makeCommand(tree, dirs, ["-s"]))).stdout);
    expect(outputs[0]).toContain("/hal-build/buildroot\n/hal-build/buildroot /hal-build/output /hal-build/external\n");
    expect(outputs[0]).toContain("BR2_DL_DIR=/hal-build/dl\n");
    expect(outputs[1]).toBe(outputs[0]);
    for (const { dir, dirs } of sites) {
      expect(readFileSync(join(dirs.buildrootOutput, "made"), "utf8")).toBe("made\n");
      expect(outputs.join("")).not.toContain(made.find((one) => dir.startsWith(one)));
    }
    expect(existsSync("/hal-build")).toBe(false);
  });

  it("and the host's tools are all that a build sees of the machine", async () => {
    const { dir, tree, dirs } = await site("x", "");
    writeFileSync(join(dir, "secret"), "");
    const script = `for name in /* /.[!.]*; do if [ -e "$name" ]; then echo "$name"; fi; done; ls -A /run /tmp "$1" | cat`;
    const { stdout } = await runCommand({ ...shellCommandOf(tree, dirs, ["-euc", script, "sh", join(dir, "..")]) }, { allowFailure: true });
    const expected = ["/bin", "/dev", "/etc", "/hal-build", "/lib", "/lib64", "/proc", "/run", "/sbin", "/tmp", "/usr", "/var"];
    const roots = stdout.split("\n").filter((line) => /^\/[^:]*$/.test(line));
    expect(roots.filter((name) => !["/lib32", "/libx32", "/.outside"].includes(name))).toEqual(expected);
    expect(stdout).not.toContain("secret");
    const writes =
      'for path in / /usr /etc /hal-build/buildroot /hal-build/external; do touch "$path/x" 2>/dev/null && echo "$path"; done; true';
    expect((await runCommand(shellCommandOf(tree, dirs, ["-c", writes]))).stdout).toBe("");
  });

  it("have no access to the settings of the kernel", async () => {
    const { tree, dirs } = await site("x", "");
    // Writing its own value changes nothing where it is permitted.
    const script = "read -r value </proc/sys/vm/swappiness; echo $value >/proc/sys/vm/swappiness";
    const { exitCode } = await runCommand(shellCommandOf(tree, dirs, ["-c", script]), { allowFailure: true });
    expect(exitCode).not.toBe(0);
  });

  /** The shell of `hal build --shell`, with these arguments. */
  function shellCommandOf(tree: BuildrootTree, dirs: BuildrootDirs, args: readonly string[]) {
    const before = process.env.SHELL;
    process.env.SHELL = "/bin/sh";
    try {
      const shell = shellCommand(tree, dirs);
      return { ...shell, args: [...shell.args, ...args] };
    } finally {
      process.env.SHELL = before;
    }
  }

  it("are the shell's directory, and the shell's exit code is returned", async () => {
    const { tree, dirs } = await site(ODD, "");
    const script = 'pwd; echo "$TARGET_DIR ${PATH%%:*} ${OLDPWD-none}"; exit 7';
    const { stdout, exitCode } = await runCommand(shellCommandOf(tree, dirs, ["-c", script]), { allowFailure: true });
    expect(stdout).toBe("/hal-build/output\n/hal-build/output/target /hal-build/output/host/bin none\n");
    expect(exitCode).toBe(7);
    expect(await runInteractive(shellCommandOf(tree, dirs, ["-c", "exit 9"]))).toBe(9);
    // Process 1 of a namespace ignores this signal.
    expect((await runCommand(shellCommandOf(tree, dirs, ["-c", "kill -TERM $$; exit 0"]), { allowFailure: true })).exitCode).toBe(143);
  });

  it.each([
    ["one", 1000],
    ["many", 0],
  ] as const)("run as another user than the machine's root, with %s ids", async (ids, inside) => {
    const dir = top();
    const command = { tool: "sh", args: ["-euc", 'id -u; grep -E "CapEff|NoNewPrivs" /proc/self/status; echo x >"$1/file"', "sh", dir] };
    const { stdout } = await runCommand(inSandbox(command, { ids, read: [], write: [dir] }));
    expect(stdout).toMatch(new RegExp(`^${inside}\nCapEff:\\s${ids === "one" ? "0+" : "[0-9a-f]+"}\nNoNewPrivs:\\s1\n$`));
    const owner = statSync(join(dir, "file")).uid;
    if (ids === "one") expect(owner).toBe(process.getuid?.());
    else if (isRoot) expect(owner).not.toBe(0);
  });

  it("end with hal, and with them every process that uses them", async () => {
    const dir = top();
    const began = join(dir, "began");
    const sleep = `sleep 61.${process.pid}`;
    // Background processes too.
    const inside = { tool: "sh", args: ["-c", `${sleep}1 & ${sleep}2 & echo > ${began}; ${sleep}3`] };
    const command = inSandbox(inside, { ids: "one", read: [], write: [dir] });
    // The outer shell plays hal: it is killed with SIGKILL while its command runs.
    const outer = `"$@" & until [ -e ${began} ]; do sleep 0.05; done; kill -9 $$`;
    await runCommand({ tool: "sh", args: ["-c", outer, "sh", command.tool, ...command.args] }, { allowFailure: true });
    expect(existsSync(began)).toBe(true);
    await new Promise((done) => setTimeout(done, 500));
    expect([1, 2, 3].filter((n) => runs(`${sleep}${n}`))).toEqual([]);
  });

  it("let an interrupted make remove its half-made target", async () => {
    const sleep = `sleep 62.${process.pid}`;
    const here = await site(ODD, `all: $(O)/half\n$(O)/half:\n\t@echo > $@; echo '>>> zlib 1.3 Building'; ${sleep}\n`);
    const controller = new AbortController();
    const report = (): void => {
      expect(existsSync(join(here.dirs.buildrootOutput, "half"))).toBe(true);
      controller.abort();
    };
    const began = performance.now();
    const error = await failureOf(runMake(makeCommand(here.tree, here.dirs, []), { ...driven(here), report, signal: controller.signal }));
    expect(error.kind).toBe("interrupted");
    expect(performance.now() - began).toBeLessThan(4000); // it is killed after five seconds
    expect(existsSync(join(here.dirs.buildrootOutput, "half"))).toBe(false);
    expect(runs(sleep)).toBe(false);
  });

  it("become real paths in the report of a failure", async () => {
    const stamp = "$(O)/build/zlib-1.3/.stamp_built";
    const here = await site(
      "some where",
      `all: ${stamp}\n${stamp}:\n\t@echo '>>> zlib 1.3 Building'; mkdir -p $(@D); echo > $(@D)/config.log; ` +
        "echo '$(@D)/a.c:1:2: error: -I$(O)/host has nothing of $(BR2_EXTERNAL)'; exit 1\n",
    );
    const { buildrootOutput: output, external } = here.dirs;
    const error = await failureOf(runMake(makeCommand(here.tree, here.dirs, []), driven(here)));
    expect(error.message).toBe("package zlib 1.3 failed while building");
    expect(error.details).toEqual([`${output}/build/zlib-1.3/a.c:1:2: error: -I${output}/host has nothing of ${external}`]);
    const logs = `see also ${output}/build/zlib-1.3; see also ${output}/build/zlib-1.3/config.log`;
    expect(error.remedy?.endsWith(logs)).toBe(true);
    expect(formatError(error)).toContain(logs); // a remedy is one line: a newline in it would be escaped
    await expect.poll(() => readFileSync(join(here.dir, "log"), "utf8")).toContain("/hal-build/output/build/zlib-1.3/a.c:1:2");
  });

  it("become real paths where hal reads a package of the external tree", async () => {
    const info = {
      agent: { type: "target", package_dir: "/hal-build/external/package/agent" },
      zlib: { type: "target", package_dir: "package/zlib" },
    };
    const { tree, dirs } = await site("x", `show-info:\n\t@echo '${JSON.stringify(info)}'\n`);
    const shown = await showInfo(tree, dirs, signal);
    expect([...shown.values()].map(({ folder }) => folder)).toEqual([join(dirs.external, "package/agent"), "package/zlib"]);
  });

  it("are what the next build compares, not the real paths", async () => {
    const { dirs } = await site(ODD, "");
    const now = stateAt(seenByMake.buildrootOutput);
    const [clean] = planRebuild(stateAt(dirs.buildrootOutput), now);
    expect(clean).toMatchObject({ target: "clean", reason: expect.stringContaining(dirs.buildrootOutput) });
  });

  it("are searched for in the image", async () => {
    const { dirs } = await site("x", "");
    mkdirSync(join(dirs.buildrootOutput, "target/bin"), { recursive: true });
    writeFileSync(join(dirs.buildrootOutput, "target/bin/clean"), "\x7fELF\0/usr/lib\0");
    expect(await filesNamingBuild(dirs.buildrootOutput, seenByMake.buildrootOutput)).toEqual([]);
    writeFileSync(join(dirs.buildrootOutput, "target/bin/here"), `\x7fELF\0${dirs.buildrootOutput}/host/lib\0`);
    writeFileSync(join(dirs.buildrootOutput, "target/bin/there"), "\x7fELF\0/hal-build/output/host/lib\0");
    expect(await filesNamingBuild(dirs.buildrootOutput, seenByMake.buildrootOutput)).toEqual(["/bin/here", "/bin/there"]);
  });
});

it("without namespaces there is no build, and hal reports the reason and a remedy", async () => {
  const program = `import { refuseWithoutSandbox } from ${JSON.stringify(join(halRoot, "src/lib/namespace.ts"))};
    await refuseWithoutSandbox("one").catch(({ kind, message, details, remedy }) => console.log(JSON.stringify({ kind, message, details, remedy })));`;
  const node = [process.execPath, "--import", "tsx", "--input-type=module", "--eval", program];
  // As in most containers: root without CAP_SYS_ADMIN, or a user whose namespaces permit no mounts.
  const refuse = isRoot
    ? ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--"]
    : ["unshare", "--map-root-user", "sh", "-c", 'echo 0 > /proc/sys/user/max_mnt_namespaces; exec "$@"', "sh"];
  const [tool = "", ...args] = [...refuse, ...node];
  const { stdout } = await runCommand({ tool, args, cwd: halRoot });
  const found = JSON.parse(stdout) as HalError;
  expect(found).toMatchObject({ kind: "tool", message: "this machine does not permit the namespaces that isolate a build" });
  expect(found.details.join()).toMatch(/unshare/);
  expect(found.remedy).toMatch(/docker run --cap-add SYS_ADMIN/);
});

it.each([
  ["user/max_user_namespaces", "0", /sysctl user\.max_user_namespaces=/],
  ["kernel/apparmor_restrict_unprivileged_userns", "1", isRoot ? /docker run/ : /sysctl kernel\.apparmor_restrict/],
])("the remedy follows %s = %s", (setting, value, remedy) => {
  expect(remedyFor((path) => (path === setting ? value : undefined))).toMatch(remedy);
});

describe("a text with make's paths", () => {
  const places = [
    { target: "/hal-build/output", source: "/home/me/out $& put" },
    { target: "/hal-build/buildroot", source: "/srv/br" },
  ];
  it.each([
    ["/hal-build/output", "/home/me/out $& put"],
    ["see '/hal-build/output/build/x.c:1:2', /hal-build/buildroot.", "see '/home/me/out $& put/build/x.c:1:2', /srv/br."],
    ["gcc -I/hal-build/output/host -L /hal-build/output/lib", "gcc -I/home/me/out $& put/host -L /home/me/out $& put/lib"],
    ["--prefix=/hal-build/output\n/hal-build/buildroot", "--prefix=/home/me/out $& put\n/srv/br"],
    ["/home/me/hal-build/output/x /x-y/hal-build/output", "/home/me/hal-build/output/x /x-y/hal-build/output"],
    ["/hal-build/outputs /hal-build/output-old /hal-build", "/hal-build/outputs /hal-build/output-old /hal-build"],
  ])("%j gets the real paths", (text, expected) => {
    expect(toRealPaths(text, places)).toBe(expected);
    expect(toRealPaths(text, [])).toBe(text);
  });
});

describe("the output directory of a real Buildroot", () => {
  skipEach(noBuildroot);
  skipEach(noNamespaces);

  it("can be moved, and its configuration stays the same", async () => {
    const dir = top();
    const version = await versionOf(buildroot ?? "");
    const tree: BuildrootTree = { dir: buildroot ?? "", version, commit: undefined };
    const resolved = await resolve("dev", { set: [`buildroot.version=${version}`] });
    const rendered = render(resolved, "buildroot");
    const configure = async (work: string): Promise<string> => {
      await writeTree(rendered, join(work, "external"));
      const dirs = buildrootDirs(work, join(work, "external"), { downloads: join(dir, "dl") });
      await makeDirs(dirs);
      await gateExternalTree({ profile: resolved.name, symbols: rendered.symbols, tree, dirs, signal });
      const files = [".config", ".br2-external.mk", ".br2-external.in.paths", "Makefile"];
      return files.map((name) => readFileSync(join(dirs.buildrootOutput, name), "utf8")).join("");
    };
    const first = await configure(join(dir, "a"));
    renameSync(join(dir, "a"), join(dir, ODD));
    const second = await configure(join(dir, ODD));
    expect(second).toBe(first);
    expect(second).toContain('BR2_EXTERNAL_HAL_PATH="/hal-build/external"');
    expect(second).not.toContain(dir);
  });
});
