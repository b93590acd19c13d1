#!/bin/sh
# First process of the virtual machine: makes it a small host, runs the guest program once as
# booted and once with each fault, and switches the machine off. What the guest says goes to the
# second serial port; the first has the kernel's messages and this script's.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
for module in $(cat /modules/order); do
    insmod "/modules/$module"
done
ip link set lo up
# Addresses reserved for documentation, sent to where nobody answers: what goes there is sent again.
ip route add 192.0.2.0/24 dev lo
# So that names can be asked for, whoever asks.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start

if [ -e /hark-ebpf.o ]; then
    export HARK_EBPF_OBJECT=/hark-ebpf.o
fi

exec 3>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo

# As booted: tracefs is not mounted, as in a container or a minimal system.
guest() {
    echo "guest: $*"
    /bin/guest "$@" >&3
}
end() {
    echo '{"is":"end"}' >&3
    sleep 1
    sync
    poweroff -f
}
case " $(cat /proc/cmdline) " in
*" hark.plain "*)
    mount -t tracefs tracefs /sys/kernel/tracing
    guest "as booted"
    end
    ;;
esac
guest "tracefs not mounted"
mount -t tracefs tracefs /sys/kernel/tracing
guest "as booted"
guest "beside another agent" --beside
guest "after an agent was killed" --killed
guest "memlock limit 0, without CAP_SYS_RESOURCE" --memlock
guest "only the capabilities that doctor asks for" --capabilities
guest "unprivileged user" --user

mount -t tmpfs none /sys/kernel/btf
guest "no BTF"
umount /sys/kernel/btf

# Lockdown is raised and never lowered: these come last.
for level in integrity confidentiality; do
    if echo $level >/sys/kernel/security/lockdown; then
        guest "lockdown=$level"
    fi
done

end
