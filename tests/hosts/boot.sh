#!/bin/sh
# boot.sh LOWER UPPER WORK ROOT: systemd as the first process over an overlay, in namespaces that the caller has made:
# mounts, processes, host name, System V IPC, cgroups and network. All of it is gone with them.
set -e
lower=$1 upper=$2 work=$3 root=$4
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# The kernel's settings are this machine's, not the host's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
number=0
for name in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r file major minor <<END
$name
END
    mknod -m 666 "$root/dev/$file" c "$major" "$minor"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/old"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
cd "$root"
pivot_root . old
# It loads no modules, sets no clock and sees no other devices than these.
exec chroot . /bin/sh -c '
    umount -l /old && rmdir /old
    exec env -i container=test PATH=/usr/sbin:/usr/bin \
        setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-mknod,-sys_boot --inh-caps=-all /sbin/init'
