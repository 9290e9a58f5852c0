#!/bin/sh
# Makes $1 (a Debian root) with what is written over it in $2 the root of systemd, its first process, in namespaces of its own.
# Runs in a mount namespace, and calls itself in the others: nothing of this is left once systemd has ended.
set -eu

if [ "${3:-}" != within ]; then
    mount --make-rprivate /
    mkdir -p "$2/cgroup"
    mount -t cgroup2 none "$2/cgroup"
    # What the guest starts is below this one, which is the root of all that it sees.
    group="$2/cgroup/resumeguard-guest-$$"
    mkdir -p "$group"
    echo $$ >"$group/cgroup.procs"
    exec unshare --cgroup --pid --uts --ipc --mount --fork --kill-child /bin/sh "$0" "$1" "$2" within
fi

root="$2/root"
mkdir -p "$root" "$2/upper" "$2/work"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$root"
mount -t proc proc "$root/proc"
# The kernel is not the guest's to set.
for path in sys sysrq-trigger; do
    [ -e "$root/proc/$path" ] || continue
    mount --bind "$root/proc/$path" "$root/proc/$path"
    mount -o remount,bind,ro "$root/proc/$path"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
node() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }
node null 1 3
node zero 1 5
node full 1 7
node random 1 8
node urandom 1 9
node tty 5 0
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
hostname guest
cd "$root"
pivot_root . mnt
umount -l /mnt
# In a container systemd leaves that to whoever made it; credentials reach their services only if mounts are shared.
mount --make-rshared /
exec setpriv --bounding-set -sys_module,-sys_time,-sys_boot,-net_admin \
    env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --show-status=no
