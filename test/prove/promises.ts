import type { Layout } from "../../src/model/generated.js";
import type { ImagePromises } from "../../src/prove/image.js";

/** The layout of the recorded report. */
export const hardenedLayout: Layout = {
  apiVersion: "hal/v1",
  kind: "Layout",
  name: "hardened",
  description: "x",
  root: { type: "verity", size: "256M" },
  compression: "zstd",
  rw: { size: "256M", integrity: "hmac-sha256", mount: "/rw", exec: false, binds: ["/var"] },
  swap: { size: "64M" },
  tmpfs: [
    { path: "/tmp", size: "25%", mode: "1777", exec: false, noswap: false },
    { path: "/run/exec", size: "50%", mode: "0700", exec: true, noswap: true },
  ],
  cmdline: [],
};

/** The promises of the image of the recorded report, with a forwarded port. */
export const hardenedPromises: ImagePromises = {
  name: "dev",
  debug: false,
  init: "busybox",
  ssh: false,
  hostAml: "runs",
  layout: hardenedLayout,
  ports: [7002],
};
