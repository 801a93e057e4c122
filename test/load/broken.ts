import { type Files, profile } from "./workspace.js";

/** One broken input: the files of a repository, the expected message and its place. `p.yaml` is the profile. */
export interface Broken {
  readonly name: string;
  readonly files: Files;
  readonly set?: readonly string[];
  /** A pattern of the message or the remedy. */
  readonly says: RegExp;
  /** The expected place, `file:line`; only the file name when the line does not matter. */
  readonly at: string;
}

const one = (name: string, more: string, says: RegExp, line: number | undefined = 7, files: Files = {}): Broken => ({
  name,
  files: { "p.yaml": profile(more), ...files },
  says,
  at: line === undefined ? "p.yaml" : `p.yaml:${line}`,
});
const whole = (name: string, text: string, says: RegExp, at = "p.yaml", files: Files = {}): Broken => ({
  name,
  files: { "p.yaml": text, ...files },
  says,
  at,
});
const layout = (name: string, more: string, says: RegExp, at = "l.yaml"): Broken => ({
  name,
  files: {
    "p.yaml": profile("", "layout: ./l.yaml\nplatform: none"),
    "l.yaml": `apiVersion: hal/v1\nkind: Layout\nname: l\ndescription: d\n${more}\n`,
  },
  says,
  at,
});
const feature = (name: string, more: string, says: RegExp, at = "f.yaml"): Broken => ({
  name,
  files: { "p.yaml": profile("features: [./f.yaml]"), "f.yaml": `apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\n${more}\n` },
  says,
  at,
});
const setting = (name: string, set: string, says: RegExp): Broken => ({
  name,
  files: { "p.yaml": profile() },
  set: [set],
  says,
  at: `--set ${set.split("=")[0]}`,
});

/** A file that doubles a list 30 times: 2^30 values when every alias is followed. */
const bomb = `apiVersion: hal/v1\nkind: Profile\nname: p\nx0: &x0 [a, a]\n${Array.from({ length: 30 }, (_, i) => `x${i + 1}: &x${i + 1} [*x${i}, *x${i}]`).join("\n")}\n`;

export const broken: readonly Broken[] = [
  // not YAML, or not a map
  whole("empty file", "", /must be a map|lacks/),
  whole("a list", "- a\n- b\n", /must be a map/),
  whole("plain text", "hello", /must be a map/),
  whole("unclosed list", "apiVersion: [hal/v1\n", /not valid YAML/),
  whole("tab indentation", "kernel:\n\tversion: 1.2\n", /not valid YAML/, "p.yaml:2"),
  whole("duplicate key", profile("debug: true\ndebug: false"), /not valid YAML|twice/, "p.yaml:8"),
  whole("two documents", `${profile()}---\n${profile()}`, /not valid YAML/),
  whole("unknown tag", profile("hostname: !!js/function 'x'"), /not valid YAML|tag/),
  whole("unknown local tag", profile("hostname: !exec 'x'"), /tag/),
  whole("unknown anchor", profile("hostname: *nobody"), /anchor|not valid YAML/),
  whole("alias bomb", bomb, /more than .* values/),
  whole("deep nesting", `apiVersion: ${"[".repeat(200)}${"]".repeat(200)}`, /nested deeper/),
  whole("alias of itself", "a: &a [*a]\n", /anchor|nested deeper|not valid YAML/),
  whole("map as key", "? {a: b}\n: c\n", /a key must be text or a number/),
  whole("NUL byte", profile('hostname: "a\\0b"'), /not allowed/, "p.yaml:7"),
  whole("infinity", profile("sourceDateEpoch: .inf"), /not text|number/, "p.yaml:7"),
  whole("!replace on text", profile("hostname: !replace x"), /replace/, "p.yaml:7"),
  // apiVersion, kind, name and the required keys
  whole("no apiVersion", "kind: Profile\nname: p\n", /apiVersion/),
  whole("wrong apiVersion", profile().replace("hal/v1", "hal/v9"), /hal\/v1/, "p.yaml:1"),
  whole("wrong kind", profile().replace("kind: Profile", "kind: Layout"), /must be 'Profile'/, "p.yaml:2"),
  whole("name and file disagree", profile().replace("name: p", "name: q"), /called 'q'/, "p.yaml:3"),
  whole("name and file of a layout disagree", profile("", "layout: ./m.yaml\nplatform: none"), /the layout .* called 'l'/, "m.yaml:3", {
    "m.yaml": "apiVersion: hal/v1\nkind: Layout\nname: l\ndescription: d\nroot: {type: ram}\n",
  }),
  whole("name and file of a feature disagree", profile("features: [./g.yaml]"), /the feature .* called 'docker'/, "g.yaml:3", {
    "g.yaml": "apiVersion: hal/v1\nkind: Feature\nname: docker\ndescription: d\n",
  }),
  whole("upper-case name", profile().replace("name: p", "name: P"), /not allowed/, "p.yaml:3"),
  whole("name with a path to the parent directory", profile().replace("name: p", 'name: "../p"'), /not allowed/, "p.yaml:3"),
  whole("no platform", profile("", "layout: hardened"), /platform/),
  whole("no layout", profile("", "platform: none"), /layout/),
  whole("abstract", profile("abstract: true"), /abstract/, "p.yaml:7"),
  // keys and types
  one("unknown key", "fetures: [docker]", /did you mean 'features'/),
  one("unknown nested key", "kernel:\n  cmdlin: [quiet]", /did you mean 'cmdline'/, 8),
  one("list instead of text", "hostname: [a]", /must be text/),
  one("number instead of text", "debian:\n  suite: 13", /quotes/, 8),
  one("text instead of a list", "features: docker", /must be a list/),
  one("text instead of a map", "launch: fast", /must be a map/),
  one("text instead of a boolean", 'debug: "yes"', /true or false/),
  one("unquoted octal mode", "files:\n  - {path: /a, content: x, mode: 0644}", /quotes/, 8),
  one("bad enum", "boot: ukl", /did you mean 'uki'/),
  one("negative cpus", "launch: {cpus: -1}", /cpus/),
  one("cpus as text", "launch: {cpus: four}", /whole number/),
  one("huge port", "launch: {forwards: [{host: 70000, guest: 1}]}", /65535/),
  one("file without content", "files:\n  - {path: /etc/x}", /exactly one of/, 8),
  one("file with both", "files:\n  - {path: /etc/x, source: a, content: b}", /exactly one of/, 8),
  one("link with a mode", 'files:\n  - {path: /etc/x, link: y, mode: "0644"}', /a symbolic link has no mode of its own/, 8),
  one("link with a line break", 'files:\n  - {path: /etc/x, link: "a\\nb"}', /not allowed/, 8),
  // names and paths that do not exist
  one("unknown feature", "features: [dokcer]", /did you mean 'docker'/),
  whole("unknown layout", profile("", "layout: hardend\nplatform: none"), /did you mean 'hardened'/, "p.yaml:5"),
  whole("unknown platform", profile("", "layout: hardened\nplatform: sev-snpp"), /did you mean 'sev-snp'/, "p.yaml:6"),
  one("unknown parent", "extends: bsae", /did you mean 'base'/),
  one("missing overlay", "overlays: [nowhere]", /does not exist/),
  one("overlay is a file", "overlays: [p.yaml]", /not a directory/),
  one("missing source file", "files:\n  - {path: /etc/x, source: nowhere}", /does not exist/, 8),
  one("source is a directory", "files:\n  - {path: /etc/x, source: .}", /not a regular file/, 8),
  one("map instead of a path", "overlays: [{a: b}]", /must be text/),
  one("missing kernel fragment", "kernel: {fragments: [nowhere.config]}", /does not exist/),
  one("omit of an unknown feature", "backends: {debian: {omit: [wsam]}}", /no feature has this name/),
  // circles
  whole("extends itself by path", profile("extends: ./p.yaml"), /circle/, "p.yaml:7"),
  whole("circle of two", profile("extends: ./q.yaml"), /circle/, "q.yaml", {
    "q.yaml": "apiVersion: hal/v1\nkind: Profile\nname: q\nextends: ./p.yaml\n",
  }),
  // paths
  one("path traversal", 'files:\n  - {path: /etc/../../x, content: ""}', /not allowed/, 8),
  one("relative path", 'files:\n  - {path: etc/x, content: ""}', /not allowed/, 8),
  one("path with a newline", 'files:\n  - {path: "/etc/a\\nb", content: ""}', /not allowed/, 8),
  one("path with a space", 'files:\n  - {path: "/etc/a b", content: ""}', /not allowed/, 8),
  one("the root as a path", 'files:\n  - {path: /, content: ""}', /not allowed/, 8),
  one("same file twice", "files:\n  - {path: /etc/x, content: a}\n  - {path: /etc/x, content: b}", /twice/, 9),
  {
    ...one("overlay link out of the tree", "overlays: [o]", /out of the tree/),
    files: { "p.yaml": profile("overlays: [o]"), "o/etc": "link:../../../../etc" },
  },
  // metacharacters of the languages that hal writes
  one("make in a Buildroot value", "buildroot: {config: {BR2_X: '$(shell id)'}}", /make/i),
  one("newline in a Buildroot value", 'buildroot: {config: {BR2_X: "a\\nBR2_Y=y"}}', /cannot be written/),
  one("Buildroot symbol with a space", "buildroot: {config: {'BR2_X Y': y}}", /not allowed as a key/),
  one("name that is not a Buildroot symbol", "buildroot: {config: {'PATH': y}}", /not allowed as a key/),
  one("prototype as a symbol", "buildroot: {config: {__proto__: y}}", /not allowed as a key/),
  one("newline in a kernel value", 'kernel: {config: {CONFIG_X: "a\\nb"}}', /cannot be written/),
  one("newline in a kernel parameter", 'kernel: {cmdline: ["a\\nb"]}', /not allowed/),
  one("space in a kernel parameter", 'kernel: {cmdline: ["quiet init=/bin/sh"]}', /not allowed/),
  one("quote in a kernel parameter", "kernel: {cmdline: ['a=\"b']}", /programs read differently/),
  one("shell in a kernel parameter", "kernel: {cmdline: ['a=$(id)']}", /do not pass on safely/),
  one("init on the command line", "kernel: {cmdline: ['init=/bin/sh']}", /only hal can set/),
  one("root hash on the command line", "kernel: {cmdline: ['roothash=00']}", /only hal can set/),
  one("console without debug", "kernel: {cmdline: ['console=ttyS0']}", /debug: true/),
  one("debug shell", "kernel: {cmdline: ['systemd.debug-shell=1']}", /debug: true/),
  one("debug shell with an underscore for the dash", "kernel: {cmdline: ['systemd.debug_shell']}", /debug: true/),
  one("init inside quotes", `kernel: {cmdline: ['"init=/bin/sh"']}`, /programs read differently/),
  one("device mapping with an underscore for the dash", "kernel: {cmdline: ['dm_mod.create=x']}", /only hal can set/),
  one("mitigations", "kernel: {cmdline: ['mitigations=off']}", /turns off a protection of the processor/),
  one("lockdown", "kernel: {cmdline: ['lockdown=none']}", /turns off a protection of the kernel/),
  one("kernel panic", "kernel: {cmdline: ['panic=0']}", /keeps a guest running/),
  one("unit of systemd", "kernel: {cmdline: ['systemd.mask=a.service']}", /changes which units systemd starts/),
  one("environment of init", "kernel: {cmdline: ['LD_PRELOAD=/x']}", /environment of init/),
  one("arguments of init", "kernel: {cmdline: ['--']}", /arguments of init/),
  one("quote in the name of a kernel parameter", "kernel: {cmdline: ['sys\"temd.unit\"=x']}", /programs read differently/),
  one("command line in the kernel", "kernel: {config: {CONFIG_CMDLINE: 'rdinit=/bin/sh'}}", /not on the command line/),
  one("boot configuration in the kernel", "kernel: {config: {CONFIG_BOOT_CONFIG_FORCE: y}}", /not on the command line/),
  one("early console without debug", "kernel: {cmdline: ['earlyprintk=ttyS0']}", /debug: true/),
  layout("layout: console without debug", "root: {type: verity}\ncmdline: [console=ttyS0]", /debug: true/, "p.yaml:5"),
  layout("layout: init on the command line", "root: {type: verity}\ncmdline: [init=/bin/sh]", /only hal can set/, "p.yaml:5"),
  whole(
    "unit without systemd",
    profile("services: {units: [{name: a.service, content: x}]}").replace("systemd", "busybox"),
    /init is busybox/,
  ),
  whole(
    "enabled unit without systemd",
    profile("services: {enable: [a.service]}").replace("systemd", "busybox"),
    /init is busybox/,
    "p.yaml:7",
  ),
  whole("feature's unit without systemd", profile("features: [./f.yaml]").replace("systemd", "busybox"), /init is busybox/, "f.yaml:5", {
    "f.yaml": "apiVersion: hal/v1\nkind: Feature\nname: f\ndescription: d\nunits: [{name: a.service, content: x}]\n",
  }),
  one("shell in a host name", "hostname: 'a;id'", /not allowed/),
  one("shell in a package name", "debian: {packages: ['a;id']}", /not allowed/),
  one("option as a package name", "debian: {packages: ['--allow-unauthenticated']}", /not allowed/),
  one("option as a suite", "debian: {suite: '--setup-hook=id'}", /not allowed/),
  one("shell in a mirror", "debian: {mirror: 'http://x/$(id)'}", /not allowed/),
  one("space in a mirror", "debian: {mirror: 'http://x/ [trusted=yes]'}", /not allowed/),
  one("shell in a module name", "kernel: {modules: ['a;id']}", /not allowed/),
  one("make in a primary site", "buildroot: {primarySite: 'http://x/$(shell id)'}", /not allowed/),
  one("path in a Buildroot version", "buildroot: {version: '../../x'}", /not allowed/),
  one("option as a commit", "buildroot: {commit: '--upload-pack=id'}", /not allowed/),
  one("a file below a file", "files: [{path: /etc/a, content: x}, {path: /etc/a/b, content: y}]", /both \/etc\/a and \/etc\/a\/b/),
  one("make in an override's name", "buildroot: {overrides: {'$(shell id)': x}}", /not allowed as a key/),
  one("unit name with a path to the parent directory", "services: {units: [{name: '../x.service', content: ''}]}", /not allowed/),
  one("unit name with a space", "services: {enable: ['a b.service']}", /not allowed/),
  one("plain-text password", "users: [{name: a, uid: 1000, password: secret}]", /not allowed/),
  one("user name with a colon", "users: [{name: 'a:b', uid: 1000}]", /not allowed/),
  one("user id of root", "users: [{name: a, uid: 0}]", /uid/),
  one("user id twice", "users: [{name: a, uid: 1000}, {name: b, uid: 1000}]", /twice/, undefined),
  one("comma in a share's tag", "launch: {shares: [{tag: 'a,readonly=off'}]}", /not allowed/),
  one("option as a CPU model", "launch: {cpuModel: '-enable-kvm'}", /not allowed/),
  one("comma in a CPU model", "launch: {cpuModel: 'EPYC,+svm'}", /not allowed/),
  // combinations that do not fit
  one("too little memory to boot", "launch: {memory: 1M}", /too small/),
  one("memory with an unknown unit", "launch: {memory: 8Q}", /not allowed/),
  one("maximum of CPUs below their number", "launch: {cpus: 4, maxCpus: 2}", /less than/),
  one("slots without a maximum", "launch: {memorySlots: 5}", /go together/, undefined),
  one("CPUs that do not divide", "launch: {cpus: 3, sockets: 2}", /not a multiple/),
  whole("a platform without its firmware", profile("", "layout: hardened\nplatform: sev-snp"), /needs firmware/, "p.yaml:6"),
  whole("a UKI without firmware", profile("", "layout: hardened\nplatform: none\nboot: uki"), /needs UEFI/, "p.yaml:6"),
  one("port twice", "launch: {forwards: [{host: 1, guest: 1}, {host: 1, guest: 2}]}", /twice/),
  whole("nitro with a disk", profile("", "layout: hardened\nplatform: nitro"), /no disk/, "p.yaml:5"),
  one("root too small", "layoutOptions: {rootSize: 1M}", /too small/),
  one("root too large", "layoutOptions: {rootSize: 999999T}", /too large/),
  one("read-write partition too small", "layoutOptions: {rwSize: 1M}", /too small/),
  one("size that is not a multiple of a block", "layoutOptions: {rootSize: '99999999'}", /multiple/),
  whole(
    "root size of a RAM layout",
    profile("layoutOptions: {rootSize: 1G}", "layout: ram\nplatform: none"),
    /no root partition/,
    "p.yaml:7",
  ),
  // layouts and features
  layout("layout: unknown key", "root: {type: verity}\nswop: {size: 1G}", /did you mean 'swap'/, "l.yaml:6"),
  layout("layout: wrong root type", "root: {type: luks}", /allowed: verity, ram/, "l.yaml:5"),
  layout("layout: RAM with partitions", "root: {type: ram}\nswap: {size: 64M}", /cannot have partitions/, "p.yaml"),
  layout("layout: tmpfs over /usr", "root: {type: verity}\ntmpfs: [{path: /usr, size: 10%}]", /must stay verified/, "p.yaml"),
  layout("layout: same mount twice", "root: {type: verity}\ntmpfs: [{path: /x, size: 10%}, {path: /x, size: 10%}]", /twice/, "p.yaml"),
  layout("layout: tmpfs of 200%", "root: {type: verity}\ntmpfs: [{path: /x, size: 200%}]", /not allowed/, "l.yaml:6"),
  layout("layout: size zero", "root: {type: verity, size: 0G}", /not allowed/, "l.yaml:5"),
  layout("layout: options in a path", "root: {type: verity}\ntmpfs: [{path: '/x -o exec', size: 10%}]", /not allowed/, "l.yaml:6"),
  layout("layout: mount over programs", "root: {type: verity}\ntmpfs: [{path: /usr/lib/systemd, size: 10%}]", /stay verified/, "p.yaml:5"),
  feature("feature: unknown key", "packages: [x]", /unknown key/, "f.yaml:5"),
  feature("feature: needs another feature", "requires: {features: [docker]}", /needs feature 'docker'/, "p.yaml:7"),
  feature("feature: needs another init", "requires: {init: busybox}", /needs init: busybox/, "p.yaml:7"),
  feature("feature: shell in a symbol's value", "buildroot: {config: {BR2_X: '${shell}'}}", /make/i, "f.yaml:5"),
  feature("feature: module with a path to the parent directory", "kernel: {modules: ['../x']}", /not allowed/, "f.yaml:5"),
  // the command line
  setting("--set without a value", "debug", /key.path=value/),
  setting("--set of an unknown key", "debugg=true", /did you mean 'debug'/),
  setting("--set of a wrong value", "boot=tftp", /one of/),
  setting("--set with an empty key", "launch..cpus=1", /key.path=value/),
  setting("--set with a line break", "hostname=a\nb", /not allowed/),
  setting("--set that adds a second key", "hostname=a, debug: true", /not allowed/),
  setting("--set that closes its map", "launch.memory=1G}, debug: true, x: {", /not allowed|not valid YAML/),
];
