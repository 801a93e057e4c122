#!/usr/bin/env bash
# Installs the missing tools (Debian 12 or newer) and hal's npm packages, and compiles hal.
# Does nothing when all is there.
# Argument "test": also installs the tools of the tests and fetches the inputs of the test vectors.
set -eu
cd "$(dirname "$0")/.."

# A command or a file, and its Debian package, as in src/lib/host-tools.ts (test/lib/host-tools.test.ts compares them).
tools="mmdebstrap:mmdebstrap newuidmap:uidmap unshare:util-linux mount:mount cpio:cpio"
tools="$tools qemu-system-x86_64:qemu-system-x86 busybox:busybox-static debugfs:e2fsprogs /usr/share/ovmf/OVMF.fd:ovmf"
case " $* " in *" test "*)
  tools="$tools swtpm:swtpm make:make shellcheck:shellcheck faketime:faketime openssl:openssl sfdisk:fdisk"
  tools="$tools cryptsetup:cryptsetup-bin veritysetup:cryptsetup-bin"
  tools="$tools xmllint:libxml2-utils virt-xml-validate:libvirt-clients" ;;
esac

PATH="$PATH:/usr/sbin:/sbin"
has() { [ -e "$1" ] || command -v "$1" >/dev/null 2>&1; }
missing=""
for entry in $tools; do
  has "${entry%%:*}" || missing="$missing ${entry#*:}"
done
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"

if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "hal: this is not Debian. Install these tools with your package manager, then run this again:" >&2
    for entry in $tools; do has "${entry%%:*}" || echo "  ${entry%%:*}  (Debian package ${entry#*:})" >&2; done
    exit 3
  fi
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo "hal: installing Debian packages:$missing"
  # shellcheck disable=SC2086 # a list of names is meant to split
  $sudo apt-get install --yes --no-install-recommends $missing >/dev/null 2>&1 || {
    $sudo apt-get update
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing
  }
fi

# shellcheck disable=SC2016 # JavaScript, not shell
node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`hal: Node.js 20.19 or newer is needed, this is ${process.versions.node}`);
    process.exit(3);
  }'

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "hal: installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error # compiles, too
else
  npm run --silent compile
fi

case " $* " in *" test "*) npx tsx scripts/fetch-inputs.ts ;; esac
