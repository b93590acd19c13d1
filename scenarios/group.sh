# Sourced by scenarios that need a control group of their own.
#
# make_group NAME [BYTES]: makes it, with a limit of memory, and moves this shell into it.

make_group() {
    local name=hark-$1 root=/sys/fs/cgroup limit=memory.max
    if [ -d "$root/memory" ]; then
        root=$root/memory limit=memory.limit_in_bytes
    else
        echo +memory >"$root/cgroup.subtree_control"
    fi
    group=$root/$name
    mkdir -p "$group"
    if [ $# -gt 1 ]; then
        echo "$2" >"$group/$limit"
        # Swap would only make it slow.
        for swap in memory.swap.max memory.memsw.limit_in_bytes; do
            if [ -e "$group/$swap" ]; then
                if [ $swap = memory.swap.max ]; then echo 0; else echo "$2"; fi >"$group/$swap" || true
            fi
        done
    fi
    echo $$ >"$group/cgroup.procs"
}

# Leaves the group, so that it can be removed; its processes have ended.
remove_group() {
    echo $$ >"${group%/*}/cgroup.procs"
    rmdir "$group"
}
