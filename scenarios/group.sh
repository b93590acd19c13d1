# Sourced by the scenarios: each runs in a control group of its own, as services do.
#
# enter_group NAME [BYTES]: makes the group, with a limit of memory where one is given, moves this
# shell into it, and leaves and removes it at the end. Where that is not allowed the shell stays where it is,
# unless there must be a limit. A function `clean` of the script is called at the end, before.

# The trees that have it: v2's, or those of v1's controllers.
group_trees() {
    local tree
    if [ -d /sys/fs/cgroup/memory ]; then
        for tree in memory cpu cpuacct blkio pids; do
            if [ -d "/sys/fs/cgroup/$tree" ]; then echo "/sys/fs/cgroup/$tree"; fi
        done
    else
        echo /sys/fs/cgroup
    fi
}

enter_group() {
    local tree above
    group=hark.slice/$1.service
    trap leave_group EXIT
    for tree in $(group_trees); do
        if ! mkdir -p "$tree/$group" 2>/dev/null || ! [ -w "$tree/$group/cgroup.procs" ]; then
            [ $# -eq 1 ] || exit 1
            continue
        fi
        for above in "$tree" "$tree/hark.slice"; do
            if [ -e "$above/cgroup.subtree_control" ]; then
                for controller in memory cpu io pids; do
                    echo "+$controller" >"$above/cgroup.subtree_control" || true
                done 2>/dev/null
            fi
        done
        if [ $# -gt 1 ]; then limit_memory "$tree/$group" "$2"; fi
        echo $$ >"$tree/$group/cgroup.procs"
    done
}

# In v1 only the memory controller's tree has these files. Swap would only make it slow.
limit_memory() {
    if [ -e "$1/memory.max" ]; then
        echo "$2" >"$1/memory.max"
        if [ -e "$1/memory.swap.max" ]; then echo 0 >"$1/memory.swap.max"; fi
    elif [ -e "$1/memory.limit_in_bytes" ]; then
        echo "$2" >"$1/memory.limit_in_bytes"
        if [ -e "$1/memory.memsw.limit_in_bytes" ]; then
            echo "$2" >"$1/memory.memsw.limit_in_bytes" || true
        fi
    fi
}

leave_group() {
    local tree
    if declare -F clean >/dev/null; then clean; fi
    for tree in $(group_trees); do
        if [ -d "$tree/$group" ]; then echo $$ >"$tree/cgroup.procs" || true; fi
    done
    # Its last processes may still be ending; another instance of the service may go on.
    for tree in $(group_trees); do
        for _ in 1 2 3 4 5; do
            if ! [ -d "$tree/$group" ] || rmdir "$tree/$group"; then break; fi
            sleep 0.1
        done
        rmdir "$tree/hark.slice"
    done 2>/dev/null || true
}
