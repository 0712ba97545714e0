#!/bin/sh
# Prints what a process in a container sees of itself and around it, a line each: a key, a tab, a value. After the line
# "end" it waits for a signal, prints its name, and exits 7; with the argument "once" it exits there, and leaves out what
# takes a time. Runs in a busybox without anything else.

mode=${1:-}

say() { printf '%s\t%s\n' "$1" "$2"; }

# What a command answers or complains about; its exit status.
try() {
  what=$1
  shift
  answer=$(
    exec 2>&1 </dev/null
    "$@" || exit
  )
  status=$?
  say "try $what" "$status $(printf '%s' "$answer" | head -n 1)"
}

self=/proc/$$

while read -r key value; do
  case $key in
  Uid: | Gid: | Groups: | Cap*: | NoNewPrivs: | Seccomp: | Seccomp_filters: | SigBlk: | SigIgn: | Cpus_allowed_list: | Mems_allowed_list:)
    say "status ${key%:}" "$value"
    ;;
  esac
done <$self/status

# Device numbers and parents differ from start to start; the source of a file system without a device is only a name.
while read -r _ _ _ root point options rest; do
  rest=" $rest"
  propagation=${rest%% - *}
  # shellcheck disable=SC2086
  set -- ${rest#* - }
  say "mount $point" "$options$propagation $1 $3 $root"
done <$self/mountinfo

tr '\0' '\n' <$self/environ | while read -r line; do say "env ${line%%=*}" "${line#*=}"; done
say argv "$(tr '\0' ' ' <$self/cmdline)"
say "process 1" "$(tr '\0' ' ' </proc/1/cmdline)"
say cwd "$(pwd)"
say "cwd directory" "$(stat -c '%a %u:%g' .)"
say umask "$(umask)"
for file in oom_score_adj coredump_filter timerslack_ns loginuid setgroups uid_map gid_map; do
  say "proc $file" "$(cat $self/$file 2>&1)"
done
while read -r line; do
  part=${line#*:}
  say "cgroup ${part%%:*}" "${part#*:}"
done <$self/cgroup
sed -n '2,$s/^\(.\{26\}\)\(.*\)$/limit \1\t\2/p' $self/limits

# shellcheck disable=SC2046
set -- $(cat $self/stat)
if [ "$6" = $$ ]; then say session leader; else say session other; fi
say terminal "$7"
if [ "$4" = 0 ]; then say parent outside; else say parent visible; fi
say nice "${19}"
say policy "${41}"

for descriptor in 0 1 2 3 4 5 6 7 8 9; do
  [ ! -L $self/fd/$descriptor ] || say "descriptor $descriptor" "$(readlink $self/fd/$descriptor)"
done

find /dev -xdev -exec stat -c 'dev %n	%F %t:%T %a %u:%g %N' '{}' +
for directory in / /proc /sys /tmp /root /dev/pts /dev/shm /dev/mqueue /run; do
  [ ! -e $directory ] || say "directory $directory" "$(stat -c '%a %u:%g' $directory)"
done

say hostname "$(hostname)"
for file in /etc/hostname /etc/hosts /etc/resolv.conf /etc/passwd /etc/group; do
  [ -e $file ] || continue
  say "file $file" "$(stat -c '%F %a %u:%g' $file)"
  case $file in
  /etc/resolv.conf | /etc/hostname | /etc/hosts) say "content $file" "$(tr '\n' '|' <$file)" ;;
  esac
done

for name in kernel/shm_rmid_forced kernel/msgmax kernel/sem kernel/domainname kernel/hostname fs/mqueue/msg_max \
  net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_forward net/core/somaxconn \
  net/ipv4/tcp_syncookies net/ipv6/conf/all/disable_ipv6; do
  [ ! -e /proc/sys/$name ] || say "sysctl $name" "$(cat /proc/sys/$name 2>&1)"
done

# Opening for writing writes nothing.
for path in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list \
  /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap /proc/bus /proc/fs \
  /proc/irq /proc/sys /proc/sysrq-trigger /proc/sys/kernel/hostname /proc/irq/default_smp_affinity /proc/timer_list \
  /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/uevent_helper /etc/passwd /masked/file /masked/directory \
  /masked/directory/inside /bin/masked; do
  if [ -d $path ]; then
    if [ -n "$(ls -A $path 2>/dev/null)" ]; then say "path $path" "directory"; else say "path $path" "no entries"; fi
  elif [ -e $path ]; then
    if ! text=$(head -c 1 $path 2>&1 | tr '\0' 0); then text=; fi
    case $text in
    '') content=empty ;;
    *denied* | *permitted*) content=refused ;;
    *) content=readable ;;
    esac
    if (: >>$path) 2>/dev/null; then writing=writable; else writing=unwritable; fi
    say "path $path" "$content $writing"
  else
    say "path $path" absent
  fi
done

for volume in /volume*; do
  [ -e "$volume" ] || continue
  find "$volume" | sort | while read -r entry; do
    say "volume $entry" "$(stat -c '%F %a %u:%g' "$entry")"
  done
  if [ -d "$volume" ]; then try "write below $volume" touch "$volume/.written"; rm -f "$volume/.written"; fi
  if [ -d "$volume/below" ]; then
    try "write below $volume/below" touch "$volume/below/.written"
    rm -f "$volume/below/.written"
  fi
  [ ! -x "$volume/program" ] || try "execute from $volume" "$volume/program"
done
for file in /stack/kept /stack/replaced /stack/removed /stack/opaque /data/from-image /layers/1 /layers/20 /layers/same; do
  [ ! -e $file ] || say "image $file" "$(stat -c '%F %a %u:%g %h' $file) $(cat $file 2>/dev/null)"
done

say "interface lo" "$(ip -o link show lo 2>&1 | sed 's/^[0-9]*: //; s/\\.*//')"
say "interface lo addresses" "$(ip -o addr show lo 2>&1 | sed 's/^[0-9]*: //; s/\\.*//' | tr '\n' '|')"

# What a program may do. The names of what is tried are made away with the container.
try "write to the root" touch /written
try "write to /tmp" touch /tmp/written
try "change owner" chown 1:1 /tmp/written
try "become another user" su app -c id
try "make a device" mknod /tmp/null c 1 3
try "use the device" sh -c ': >/tmp/null'
try "make a forbidden device" mknod /tmp/kmsg c 1 11
try "use the forbidden device" sh -c ': >/tmp/kmsg'
try "mount" mount -t tmpfs tmpfs /tmp
umount /tmp 2>/dev/null
try "new mount namespace" unshare -m true
try "new network namespace" unshare -n true
try "new user namespace" unshare -U true
try "change root" chroot / true
try "higher priority" sh -c 'renice -n -5 -p $$'
try "kernel log" sh -c 'dmesg >/dev/null'
try "set the host name" hostname "$(hostname)"
try "change mode" chmod 0700 /tmp/written
try "set uid bit" chmod 4755 /tmp/written
try "enter the network of process 1" nsenter -t 1 -n true
if [ "$mode" = once ]; then
  for kind in cgroup ipc mnt net pid time user uts; do say "own namespace $kind" "$(readlink $self/ns/$kind)"; done
  say end ''
  exit 0
fi
try "bind a low port" timeout 0.2 nc -l -p 77
try "raw socket" ping -c 1 -W 1 127.0.0.1

for signal in HUP INT QUIT USR1 USR2 TERM; do
  # shellcheck disable=SC2064
  trap "say signal $signal; exit 7" $signal
done
say end ''
while true; do
  sleep 1000 &
  wait $!
done
