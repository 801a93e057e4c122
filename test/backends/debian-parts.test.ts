import { describe, expect, it } from "vitest";
import { type Account, addAccounts, parseUsersTable } from "../../src/backends/debian/accounts.js";
import { snapshotSource, sourcesFor } from "../../src/backends/debian/archive.js";
import { lacksSecurity, packagesDigest, parseStanzas } from "../../src/backends/debian/lock.js";
import { parsePermissions, permissionLines } from "../../src/backends/debian/permissions.js";
import { HalError } from "../../src/lib/errors.js";
import { ensureSpace, errorLines } from "../../src/lib/failures.js";

function caught(work: () => unknown): HalError {
  try {
    work();
  } catch (error) {
    if (error instanceof HalError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("archives", () => {
  const line = (uri: string, suite: string): string => `'${uri}/dists/${suite}/InRelease' name 0 \n`;
  const host = [
    line("http://mirror.test/debian", "bookworm"),
    line("http://mirror.test/debian", "bookworm-updates"),
    line("http://mirror.test/security", "bookworm-security"),
    line("http://mirror.test/debian", "bookworm-backports"),
    line("http://other.test/node", "nodistro"),
  ].join("");

  it("are those of the host for another suite, and only Debian's", () => {
    expect(sourcesFor("trixie", "bookworm", host)).toEqual([
      { uri: "http://mirror.test/debian", suite: "trixie" },
      { uri: "http://mirror.test/debian", suite: "trixie-updates" },
      { uri: "http://mirror.test/security", suite: "trixie-security" },
    ]);
  });
  it("of sid have no updates", () => {
    expect(sourcesFor("sid", "bookworm", host)).toEqual([{ uri: "http://mirror.test/debian", suite: "sid" }]);
  });
  it("of a stable suite are checked for security updates", () => {
    const releases = ["trixie Sat, 12 Sep 2026 07:55:41 UTC", "trixie-updates Thu, 19 Nov 2026 02:12:54 UTC"];
    expect(lacksSecurity({ suite: "trixie", releases })).toBe(true);
    expect(lacksSecurity({ suite: "trixie", releases: [...releases, "trixie-security Wed, 18 Nov 2026 22:17:43 UTC"] })).toBe(false);
    expect(lacksSecurity({ suite: "sid", releases: ["sid Wed, 18 Nov 2026 22:17:43 UTC"] })).toBe(false);
  });
  it("are empty without the main archive", () => {
    expect(sourcesFor("trixie", "bookworm", line("http://mirror.test/security", "bookworm-security"))).toEqual([]);
  });
  it("of a snapshot have the address in the Release file", () => {
    const source = { uri: "http://mirror.test/debian", suite: "trixie" };
    const release = "Origin: Debian\nSnapshots: http://snapshot.test/archive/debian/@SNAPSHOTID@/\n";
    expect(snapshotSource(source, release, "20260101T000000Z")).toEqual({
      uri: "http://snapshot.test/archive/debian/20260101T000000Z",
      suite: "trixie",
    });
    expect(snapshotSource(source, "Origin: Debian\n", "20260101T000000Z")).toBeUndefined();
  });
});

describe("index entries", () => {
  const stanza = (name: string, version: string, sha: string, more = ""): string =>
    `Package: ${name}\n${more}Version: ${version}\nArchitecture: amd64\nFilename: pool/x.deb\nSize: 7\nSHA256: ${sha}\n`;

  it("are sorted, without duplicates, with the source package", () => {
    const text = [stanza("zlib1g", "1", "bb", "Source: zlib (1:1)\n"), stanza("acl", "2", "aa"), stanza("acl", "2", "cc")].join("\n");
    const packages = parseStanzas(text);
    expect(packages.map(({ name, version, sha256, source, size }) => [name, version, sha256, source, size])).toEqual([
      ["acl", "2", "aa", "acl", 7],
      ["zlib1g", "1", "bb", "zlib (1:1)", 7],
    ]);
  });
  it("of one set have one digest", () => {
    const one = parseStanzas(`${stanza("a", "1", "aa")}\n${stanza("b", "1", "bb")}`);
    const other = parseStanzas(`${stanza("b", "1", "bb")}\n${stanza("a", "1", "aa")}`);
    expect(packagesDigest(one)).toBe(packagesDigest(other));
    expect(packagesDigest(parseStanzas(stanza("a", "1", "ab")))).not.toBe(packagesDigest(parseStanzas(stanza("a", "1", "aa"))));
  });
});

describe("users table", () => {
  const files = {
    passwd: "root:x:0:0:root:/root:/bin/bash\nsys:x:100:3::/:/bin/false\n",
    group: "root:x:0:\nkvm:x:104:\n",
    shadow: "root:*::0:99999:7:::\n",
    gshadow: "root:*::\nkvm:!::\n",
  };
  const table = (line: string): readonly Account[] => parseUsersTable(`# users\n\n${line}\n`, "users.table");

  it("adds an account with its group, its home and its further groups", () => {
    const after = addAccounts(table("agent 900 agent 900 - /var/lib/agent /bin/sh kvm,extra The agent"), files);
    expect(after.passwd).toBe(`${files.passwd}agent:x:900:900:The agent:/var/lib/agent:/bin/sh\n`);
    expect(after.group).toBe("root:x:0:\nkvm:x:104:agent\nagent:x:900:\nextra:x:100:agent\n");
    expect(after.shadow).toBe(`${files.shadow}agent:*::0:99999:7:::\n`);
    expect(after.gshadow).toBe("root:*::\nkvm:!::agent\nagent:!::\nextra:!::agent\n");
  });
  it("gives the next free id for -1 and -2", () => {
    expect(addAccounts(table("daemon -1 daemon -1 * - - -"), files).passwd).toContain("daemon:x:101:100::/:/bin/false");
    expect(addAccounts(table("user -2 user -2 * - - -"), files).passwd).toContain("user:x:1000:1000:");
  });
  it("replaces an existing account with the same id", () => {
    const after = addAccounts(table("root 0 root 0 $6$hash /root /bin/sh - root"), files);
    expect(after.passwd.match(/^root:/gm)).toHaveLength(1);
    expect(after.shadow).toContain("root:$6$hash:");
  });
  it.each([
    ["root 5 root 0 * - - -", "has the id 0 in Debian, not 5"],
    ["other 100 other -1 * - - -", "is taken by 'sys'"],
    ["other 5 kvm 5 * - - -", "has the id 104 in Debian, not 5"],
    ["other 5 other 5 =secret - - -", "plain text"],
    ["other five other 5 * - - -", "not a line of a users table"],
    ["other 5 other", "not a line of a users table"],
  ])("refuses %s", (line, message) => {
    const error = caught(() => addAccounts(table(line), files));
    expect([error.kind, error.at, error.message]).toEqual(["input", { file: "users.table", line: 3 }, expect.stringContaining(message)]);
  });
});

describe("permission table", () => {
  it("becomes lines of type, mode, owner and path", () => {
    const table = "# name\n/etc/key f 0640 root agent - - - - -\n/var/x d 1777 0 0 - - - - -\n/srv r -1 900 900 - - - - -\n";
    const accounts = { passwd: "root:x:0:0::/root:/bin/sh\nuser:x:901:902::/:/bin/sh\n", group: "root:x:0:\nagent:x:900:\n" };
    expect(permissionLines(parsePermissions(table, "t"), accounts)).toBe("f 0640 0:900 /etc/key\nd 1777 0:0 /var/x\nr -1 900:900 /srv\n");
    // Without a group: the user's own.
    const home = [{ type: "d", mode: "-1", owner: "user:", path: "/home/user" }] as const;
    expect(permissionLines(home, accounts)).toBe("d -1 901:902 /home/user\n");
    const unknown = caught(() => permissionLines(parsePermissions("/x f 600 nobody root\n", "t"), accounts));
    expect([unknown.kind, unknown.message]).toEqual(["input", "the image has no user 'nobody'"]);
  });
  it.each([
    "/dev/x c 644 0 0 5 1 0 0 -",
    "/etc/../x f 644 0 0",
    "etc/x f 644 0 0",
    "/etc/x f 9 0 0",
    "/etc/x f 644 0;id 0",
    "|xattr cap_net_raw+ep",
  ])("refuses %s", (line) => {
    const error = caught(() => parsePermissions(`\n${line}\n`, "permissions.table"));
    expect([error.kind, error.at]).toEqual(["input", { file: "permissions.table", line: 2 }]);
  });
});

describe("failures", () => {
  it("show the lines with the error", () => {
    const output = "Reading package lists...\nGet:1 x\nE: Unable to locate package nosuch\nE: Unable to locate package nosuch\ndone\n";
    expect(errorLines(output)).toEqual(["E: Unable to locate package nosuch"]);
    expect(errorLines("one\ntwo\n")).toEqual(["one", "two"]);
  });
  it("refuses to begin without room", async () => {
    await expect(ensureSpace("/", 1e30, "downloading")).rejects.toMatchObject({
      kind: "command",
      message: "the disk is full: downloading",
    });
    await expect(ensureSpace("/", 1, "downloading")).resolves.toBeUndefined();
  });
});
