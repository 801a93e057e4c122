import { consoleOutput, SHELL_ANSWER } from "../console.js";
import { allValues, lastValue, type Process, processes } from "../facts.js";
import { type CheckGroup, check, NOT_REPORTED } from "./check.js";

const LOGIN = /\/(agetty|getty|mingetty|login|sulogin|sshd|dropbear|telnetd)$/;
const SHELL = /\/(sh|bash|dash|ash|zsh|busybox)$/;

/** The check that fails when the console has output. */
export const CONSOLE_CHECK = "no console output";

/** Nobody can log in, and the console has no output; in a debug image, root can log in on the console. */
export const accessChecks: CheckGroup = (promises, evidence) =>
  promises.debug ? debugChecks(promises, evidence) : closedChecks(promises, evidence);

const closedChecks: CheckGroup = ({ ssh }, { facts, console }) => {
  const running = processes(facts);
  const logins = running.filter((process) => isLogin(process) && !(ssh && /ssh|dropbear/.test(process.exe)));
  const shells = running.filter(isShell);
  const known = new Set(allValues(facts, "account")).size;
  const open = openAccounts(allValues(facts, "account"));
  const output = consoleOutput(console);
  return [
    check("no login program", running.length > 0 && logins.length === 0, "none", describeProcesses(running, logins)),
    check(
      "no shell",
      running.length > 0 && shells.length === 0 && !console.includes(SHELL_ANSWER),
      "none",
      console.includes(SHELL_ANSWER) ? "a shell answered on the console" : describeProcesses(running, shells),
    ),
    check(
      "all accounts locked",
      known > 0 && open.length === 0,
      "no account with a password, or with an empty one",
      known === 0 ? NOT_REPORTED : open.join(", ") || `${known} accounts locked`,
    ),
    check(CONSOLE_CHECK, output === "", "none", output === "" ? "none" : output.slice(0, 60)),
  ];
};

const debugChecks: CheckGroup = ({ init }, { facts }) => {
  const running = processes(facts);
  const found = running.filter((process) => isLogin(process) || isShell(process));
  const lacksLogin = init === "systemd" && lastValue(facts, "login") === undefined;
  const open = openAccounts(allValues(facts, "account"));
  return [
    check(
      "console login enabled",
      !lacksLogin && found.length > 0,
      "a login program or a shell",
      lacksLogin ? "no /bin/login" : describeProcesses(running, found),
    ),
    check(
      "root login without password",
      open.includes("root: empty password"),
      "root: empty password",
      open.join(", ") || "all accounts locked",
    ),
  ];
};

function isLogin({ exe, command }: Process): boolean {
  const program = command.split(" ")[0] ?? "";
  return [exe, program, `/${program}`].some((path) => LOGIN.test(path));
}

/** BusyBox is also init and syslogd. Only a process with a terminal is a shell. */
function isShell({ pid, exe, terminal }: Process): boolean {
  return pid !== 1 && terminal !== 0 && SHELL.test(exe);
}

/** PID 1 always runs, so an empty list of processes means that the probe did not report it. */
function describeProcesses(running: readonly Process[], found: readonly Process[]): string {
  return running.length === 0 ? NOT_REPORTED : found.map(({ command, exe }) => command || exe).join(", ") || "none";
}

/** Accounts with a password or an empty one, from the probe's lines `NAME|locked`, `NAME|empty` and `NAME|password`. */
function openAccounts(lines: readonly string[]): string[] {
  return lines
    .map((line) => line.split("|"))
    .filter(([, state]) => state !== "locked")
    .map(([name, state]) => `${name}: ${state === "empty" ? "empty password" : "has a password"}`);
}
