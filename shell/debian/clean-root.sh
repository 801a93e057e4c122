#!/bin/sh
# Cleans the root tree that it runs in (finish-root.sh). Refuses a running system, which has /proc.
set -eu
if [ -e /proc/self ]; then
	echo "clean-root.sh: / is a running system" >&2
	exit 1
fi

# A shadow password for every account (shadow(5)). Debian makes them in the package passwd, which not every tree has.
touch /etc/shadow /etc/gshadow
while IFS=: read -r name _; do
	grep -q "^$name:" /etc/shadow || echo "$name:*::0:99999:7:::" >>/etc/shadow
done </etc/passwd
while IFS=: read -r name _; do
	grep -q "^$name:" /etc/gshadow || echo "$name:*::" >>/etc/gshadow
done </etc/group
sed -i 's/^\([^:]*\):[^:]*:/\1:x:/' /etc/passwd /etc/group
chown 0:shadow /etc/shadow /etc/gshadow
chmod 0640 /etc/shadow /etc/gshadow

# The state of the package manager (the root is read-only), and what depends on the build host or its clock. The package
# systemd-resolved keeps a copy of the resolv.conf that mmdebstrap took from the host.
rm -rf /etc/apt /etc/hostname /etc/resolv.conf /etc/.resolv.conf.systemd-resolved.bak
rm -rf /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/.pwd.lock
rm -rf /var/lib/apt /var/lib/dpkg/info /var/lib/dpkg/status-old /var/lib/dpkg/triggers
rm -rf /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend
rm -rf /var/lib/systemd/random-seed

# The kernel and the init system fill these at boot.
for directory in /dev /proc /sys /run /tmp /var/tmp /var/cache /var/log; do
	mkdir -p "$directory"
	find "$directory" -xdev -mindepth 1 -delete
done
