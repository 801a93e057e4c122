import { listeners } from "../facts.js";
import { type CheckGroup, check } from "./check.js";

/** Ports of DHCP and DHCPv6 clients. */
const DHCP_PORTS = [68, 546];
const SSH_PORT = 22;
/** The protocol number of ICMPv6, which is the "port" of a raw socket. Every network manager opens one. */
const ICMPV6 = 58;

/** Only forwarded ports, SSH where the image has it, and a DHCP client receive from other hosts. */
export const networkChecks: CheckGroup = ({ ports, ssh, debug }, { facts }) => {
  const unexpected = listeners(facts).filter(({ family, port, loopback }) => {
    if (family === "raw") return port !== ICMPV6;
    if (loopback) return false;
    if (family === "udp" && DHCP_PORTS.includes(port)) return false;
    return !ports.includes(port) && !((ssh || debug) && family === "tcp" && port === SSH_PORT);
  });
  const expected = ports.length === 0 ? "none" : `none except ${ports.join(", ")}`;
  const names = [...new Set(unexpected.map(({ family, port }) => `${family} ${port}`))];
  return [check("no unexpected open ports", unexpected.length === 0, expected, names.join(", ") || "none")];
};
