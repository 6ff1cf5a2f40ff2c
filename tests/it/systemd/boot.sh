#!/usr/bin/env bash
# boot.sh FOLDER: boots this machine's systemd as PID 1 of namespaces of its own, on a tree that looks like this machine's and in
# which nothing that is written reaches it, until this script is ended. FOLDER is seen there as /srv/test; FOLDER/pid gets the
# process to enter (`nsenter -t PID -a`). As root.
#
# What the two share all the same is left alone: the clock, kernel settings, modules and devices are out of reach in there, and all
# it has of control groups is one of its own below that of this script.
set -euo pipefail

if [ "${2:-}" != inside ]; then
  folder=$(realpath "$1")
  mounted=$(findmnt -nro TARGET -t cgroup2 || true)
  [ -n "$mounted" ] || { echo "boot.sh: no control groups of version 2 are mounted here" >&2; exit 1; }
  groups=${mounted%%$'\n'*}$(sed -n 's/^0:://p' /proc/self/cgroup)
  group=${groups%/}/shopsyncd-test-$$
  clean_up() {
    [ -z "${booted:-}" ] || kill -KILL "$booted" 2>/dev/null || true
    wait || true
    # Ended processes leave their group a moment later than they are waited for.
    for _ in $(seq 50); do
      find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.1
    done
  }
  trap clean_up EXIT
  trap 'exit 0' TERM INT
  mkdir "$group"
  # A process enters it and makes it the root of what it sees; this script stays where it is.
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child bash "$0" "$folder" inside
  ) &
  booted=$!
  wait "$booted"
  exit
fi

folder=$1
# The process's number outside: the new /proc is not mounted yet.
read -r outside _ </proc/self/stat
tree=$folder/tree
mkdir -p "$tree"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$tree"
mkdir "$tree"/{upper,work,root}
root=$tree/root
mount -t overlay -o "lowerdir=/,upperdir=$tree/upper,workdir=$tree/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{shm,pts}
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for empty in tmp run; do mount -t tmpfs -o mode=1777 tmpfs "$root/$empty"; done
chmod 755 "$root/run"
mkdir -p "$root/srv/test"
mount --bind "$folder" "$root/srv/test"

# Of what this machine starts at boot only the journal is left.
units=$root/usr/lib/systemd/system
rm -rf "$root"/etc/systemd/system/* "$root"/etc/fstab "$root"/var/log/journal "$root"/usr/lib/systemd/system-generators \
  "$root"/etc/shopsyncd "$root"/var/lib/private/shopsyncd "$root"/var/lib/shopsyncd
# Where this machine is a container, packages are told there to start nothing.
rm -f "$root/usr/sbin/policy-rc.d"
# Nothing in there is to outlast it, and its own manual page is all that is read.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
rm -f "$root/var/lib/man-db/auto-update"
for wants in "$units"/*.wants/*; do
  case ${wants##*/} in systemd-journald.service | systemd-journald.socket | systemd-journald-dev-log.socket) ;; *) rm "$wants" ;; esac
done
for mask in tmp.mount systemd-timesyncd.service systemd-networkd.service systemd-udevd.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$mask"
done

cd "$root"
mkdir -p mnt/outside
pivot_root . mnt/outside
umount -l /mnt/outside
# Credentials are mounted by a child of systemd's, in a mount namespace of its own, and have to come back from there.
mount --make-rshared /
echo "$outside" >/srv/test/pid.new
mv /srv/test/pid.new /srv/test/pid
exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm \
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=shopsyncd-test \
  /lib/systemd/systemd --system --unit=multi-user.target --show-status=no </dev/null
