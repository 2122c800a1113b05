#!/bin/sh
# host.sh ROOT LOWER UPPER WORK boot            systemd as the first process
# host.sh ROOT LOWER UPPER WORK run SCRIPT      a script, before the first boot
#
# In an overlay over LOWER; without LOWER, in ROOT itself. All is mounted in namespaces that the caller has made, and is
# gone with them, however they end: nothing of this machine is below ROOT for anybody else.
set -e
root=$1 lower=$2 upper=$3 work=$4 what=$5 script=$6
[ -z "$lower" ] || mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# The kernel's settings are this machine's, not the host's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
if [ "$what" = run ]; then
    if [ -n "$FETCHED_BY_PIP" ]; then
        mkdir -p "$root/root/.cache/pip"
        mount --bind "$FETCHED_BY_PIP" "$root/root/.cache/pip"
    fi
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive bash -ec "$script"
fi
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir "$root/old"
cd "$root"
pivot_root . old
# It loads no modules, sets no clock and restarts nothing but itself.
exec chroot . /bin/sh -c '
    umount -l /old && rmdir /old
    exec env -i container=test PATH=/usr/sbin:/usr/bin \
        setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-sys_boot --inh-caps=-all /sbin/init'
