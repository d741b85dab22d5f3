#!/bin/sh
# Builds the boards' base image: a plain Debian 12 with systemd, D-Bus, BlueZ and NetworkManager.
#
#   build.sh OUT_DIR PACKAGES_FILE [APT_SOURCES_FILE ...]
#
# Leaves root.img (ext4, raw), vmlinuz and initrd.img in OUT_DIR. Runs as root: it owns files as
# other users and unpacks device nodes. The caller names the result after a hash of this file and
# of the package list, so any edit here builds a new image.
set -eu

out=$1
packages=$(sed -e 's/#.*//' "$2" | tr -s ' \n' ',,' | sed -e 's/^,//' -e 's/,$//')
shift 2
suite=bookworm
image_size=2G
PATH=$PATH:/usr/sbin:/sbin

rootfs=$(mktemp -d "$out/rootfs.XXXXXX")
trap 'rm -rf "$rootfs"' EXIT INT TERM
chmod 755 "$rootfs"

# The initial RAM disk holds only what mounts the root file system: the default one is five times
# as large, and the emulated processor has to unpack it at every boot.
cat >"$out/initramfs.conf" <<'CONF'
MODULES=list
COMPRESS=gzip
CONF
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$out/initramfs.modules"

# No sources at all means the suite's default ones.
for file in "$@"; do
  shift
  [ ! -s "$file" ] || set -- "$@" "$file"
done

mmdebstrap --quiet --mode=root --variant=minbase --format=directory --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook="cp '$out/initramfs.conf' \"\$1/etc/initramfs-tools/conf.d/board\"" \
  --essential-hook="cp '$out/initramfs.modules' \"\$1/etc/initramfs-tools/modules\"" \
  "$suite" "$rootfs" "$@"

# --- what makes it a board ---------------------------------------------------------------------

echo board >"$rootfs/etc/hostname"
printf '127.0.0.1 localhost board\n' >"$rootfs/etc/hosts"
printf '/dev/vda / ext4 defaults 0 1\n' >"$rootfs/etc/fstab"
: >"$rootfs/etc/machine-id"
rm -f "$rootfs/etc/resolv.conf"
printf '%s\n' virtio_blk virtio_net virtio_console virtio_rng hci_uart >"$rootfs/etc/modules"

# The second serial port is the wire to the virtual Bluetooth controller.
cat >"$rootfs/etc/systemd/system/board-radio.service" <<'UNIT'
[Unit]
Description=Bluetooth controller on the second serial port
After=systemd-modules-load.service
Before=bluetooth.service

[Service]
ExecStart=/usr/bin/btattach -B /dev/ttyS1 -P h4 -N
Restart=always
RestartSec=1

[Install]
WantedBy=board.target
UNIT

# A board that boots by itself ends here. One whose memory is kept for others stops one target before:
# its radio and the disk of a run belong to those who go on from there.
cat >"$rootfs/etc/systemd/system/board.target" <<'UNIT'
[Unit]
Description=Board with its radio and the disk of this run
Requires=multi-user.target
After=multi-user.target
AllowIsolate=yes
UNIT
ln -sf board.target "$rootfs/etc/systemd/system/default.target"

# The disk with the packages and test programs of this run.
mkdir -p "$rootfs/mnt/run"
printf '/dev/vdb /mnt/run ext4 ro,noauto,x-systemd.wanted-by=board.target 0 0\n' >>"$rootfs/etc/fstab"

# The journal has to survive a power cut, since it is what explains one.
mkdir -p "$rootfs/etc/systemd/journald.conf.d" "$rootfs/var/log/journal"
printf '[Journal]\nStorage=persistent\nSyncIntervalSec=1s\n' \
  >"$rootfs/etc/systemd/journald.conf.d/board.conf"

# The agent would write a line about every question that it is asked.
mkdir -p "$rootfs/etc/systemd/system/qemu-guest-agent.service.d"
printf '[Service]\nLogLevelMax=warning\n' \
  >"$rootfs/etc/systemd/system/qemu-guest-agent.service.d/board.conf"

# Nothing may run by itself in the middle of a measurement, and no login prompt may take the console.
for unit in apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer \
  e2scrub_reap.service dpkg-db-backup.timer fstrim.timer systemd-tmpfiles-clean.timer \
  serial-getty@ttyS0.service getty@tty1.service ModemManager.service wpa_supplicant.service \
  modprobe@fuse.service modprobe@drm.service modprobe@configfs.service dev-hugepages.mount; do
  ln -sf /dev/null "$rootfs/etc/systemd/system/$unit"
done
# systemd asks all of them at every reload, of which installing a package makes some; a board needs fstab's.
mkdir -p "$rootfs/etc/systemd/system-generators"
for generator in "$rootfs"/usr/lib/systemd/system-generators/*; do
  case $generator in
  */systemd-fstab-generator) ;;
  *) ln -sf /dev/null "$rootfs/etc/systemd/system-generators/${generator##*/}" ;;
  esac
done
mkdir -p "$rootfs/etc/systemd/system/multi-user.target.wants" \
  "$rootfs/etc/systemd/system/board.target.wants"
ln -sf ../board-radio.service "$rootfs/etc/systemd/system/board.target.wants/board-radio.service"
ln -sf /lib/systemd/system/qemu-guest-agent.service \
  "$rootfs/etc/systemd/system/multi-user.target.wants/qemu-guest-agent.service"

# --- out -----------------------------------------------------------------------------------------

cp "$rootfs"/boot/vmlinuz-* "$out/vmlinuz"
cp "$rootfs"/boot/initrd.img-* "$out/initrd.img"
chmod a+r "$out/vmlinuz" "$out/initrd.img"
rm -f "$out/root.img"
mke2fs -q -F -t ext4 -L board -d "$rootfs" "$out/root.img" "$image_size"
