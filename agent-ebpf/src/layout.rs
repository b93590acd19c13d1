//! Where things are inside the running kernel. The agent fills these tables from the kernel's type
//! information (BTF) and from tracefs, and sets them as globals before it loads the programs. What
//! a kernel does not have is [`ABSENT`]: the verifier knows that value and drops the code that
//! would need it.

use bytemuck::{Pod, Zeroable};

/// What this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// A member of a kernel struct whose offset the programs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The struct.
    pub structure: &'static str,
    /// Names that the member has or had, in the order in which to look; each may be a path through
    /// embedded structs, as in `ns.inum`.
    pub names: &'static [&'static str],
}

/// An argument of a BTF tracepoint that has moved, or that only newer kernels have. It is known by
/// its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The tracepoint.
    pub tracepoint: &'static str,
    /// Name of the type, after pointers.
    pub type_names: &'static [&'static str],
}

/// A field of a tracepoint's record, from its `format` file in tracefs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracepointField {
    /// Category of the tracepoint.
    pub category: &'static str,
    /// The tracepoint.
    pub tracepoint: &'static str,
    /// The field.
    pub field: &'static str,
}

/// Makes a struct of `u32` and, in the same order, the table that says what each stands for.
macro_rules! table {
    (
        $(#[$meta:meta])* $name:ident, $table:ident: $entry:ident,
        { $($(#[$fmeta:meta])* $field:ident: $value:expr,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        #[repr(C)]
        #[allow(missing_docs)] // each is explained by its entry in the table
        pub struct $name { $($(#[$fmeta])* pub $field: u32,)+ }

        impl $name {
            /// Nothing is known.
            pub const ABSENT: Self = Self { $($field: ABSENT,)+ };
        }

        #[doc = concat!("What each field of [`", stringify!($name), "`] stands for, in order.")]
        pub const $table: &[$entry] = &[$($value,)+];
    };
}

const fn member(structure: &'static str, names: &'static [&'static str]) -> Member {
    Member { structure, names }
}

table! {
    /// Offsets of members inside kernel structs, in bytes.
    Offsets, MEMBERS: Member,
    {
        task_pid: member("task_struct", &["pid"]),
        task_tgid: member("task_struct", &["tgid"]),
        task_real_parent: member("task_struct", &["real_parent"]),
        task_group_leader: member("task_struct", &["group_leader"]),
        task_comm: member("task_struct", &["comm"]),
        task_cred: member("task_struct", &["real_cred"]),
        task_effective_cred: member("task_struct", &["cred"]),
        // Linux 5.14 renamed state to __state
        task_state: member("task_struct", &["__state", "state"]),
        task_start_boottime: member("task_struct", &["start_boottime"]),
        task_exit_code: member("task_struct", &["exit_code"]),
        task_signal: member("task_struct", &["signal"]),
        task_mm: member("task_struct", &["mm"]),
        task_major_faults: member("task_struct", &["maj_flt"]),
        task_minor_faults: member("task_struct", &["min_flt"]),
        task_cgroups: member("task_struct", &["cgroups"]),
        cred_uid: member("cred", &["uid"]),
        cred_gid: member("cred", &["gid"]),
        cred_euid: member("cred", &["euid"]),
        cred_egid: member("cred", &["egid"]),
        signal_live: member("signal_struct", &["live"]),
        signal_flags: member("signal_struct", &["flags"]),
        signal_group_exit_code: member("signal_struct", &["group_exit_code"]),
        task_fs: member("task_struct", &["fs"]),
        fs_root_mnt: member("fs_struct", &["root.mnt"]),
        fs_root_dentry: member("fs_struct", &["root.dentry"]),
        fs_pwd_mnt: member("fs_struct", &["pwd.mnt"]),
        fs_pwd_dentry: member("fs_struct", &["pwd.dentry"]),
        file_mnt: member("file", &["f_path.mnt"]),
        file_dentry: member("file", &["f_path.dentry"]),
        dentry_parent: member("dentry", &["d_parent"]),
        dentry_name: member("dentry", &["d_name.name"]),
        mount_mnt: member("mount", &["mnt"]),
        mount_parent: member("mount", &["mnt_parent"]),
        mount_mountpoint: member("mount", &["mnt_mountpoint"]),
        vfsmount_root: member("vfsmount", &["mnt_root"]),
        mm_exe_file: member("mm_struct", &["exe_file"]),
        mm_arg_start: member("mm_struct", &["arg_start"]),
        mm_arg_end: member("mm_struct", &["arg_end"]),
        binprm_filename: member("linux_binprm", &["filename"]),
        css_set_dfl_cgrp: member("css_set", &["dfl_cgrp"]),
        css_set_subsys: member("css_set", &["subsys"]),
        css_cgroup: member("cgroup_subsys_state", &["cgroup"]),
        cgroup_kn: member("cgroup", &["kn"]),
        cgroup_root: member("cgroup", &["root"]),
        cgroup_root_hierarchy: member("cgroup_root", &["hierarchy_id"]),
        kernfs_id: member("kernfs_node", &["id"]),
        skc_family: member("sock_common", &["skc_family"]),
        skc_state: member("sock_common", &["skc_state"]),
        skc_flags: member("sock_common", &["skc_flags"]),
        skc_num: member("sock_common", &["skc_num"]),
        skc_dport: member("sock_common", &["skc_dport"]),
        skc_rcv_saddr: member("sock_common", &["skc_rcv_saddr"]),
        skc_daddr: member("sock_common", &["skc_daddr"]),
        skc_v6_rcv_saddr: member("sock_common", &["skc_v6_rcv_saddr"]),
        skc_v6_daddr: member("sock_common", &["skc_v6_daddr"]),
        skc_net: member("sock_common", &["skc_net"]),
        net_inum: member("net", &["ns.inum"]),
        sk_protocol: member("sock", &["sk_protocol"]),
        sk_err: member("sock", &["sk_err"]),
        inet_sport: member("inet_sock", &["inet_sport"]),
        tcp_bytes_received: member("tcp_sock", &["bytes_received"]),
        tcp_bytes_sent: member("tcp_sock", &["bytes_sent"]),
        tcp_bytes_retrans: member("tcp_sock", &["bytes_retrans"]),
        tcp_total_retrans: member("tcp_sock", &["total_retrans"]),
        tcp_srtt_us: member("tcp_sock", &["srtt_us"]),
        sk_socket: member("sock", &["sk_socket"]),
        socket_inode: member("socket_alloc", &["vfs_inode.i_ino"]),
        // Linux 6.1 keeps areas of memory in a maple tree; a red-black tree before
        mm_maple_root: member("mm_struct", &["mm_mt.ma_root"]),
        maple_range_pivots: member("maple_range_64", &["pivot"]),
        maple_range_slots: member("maple_range_64", &["slot"]),
        maple_arange_slots: member("maple_arange_64", &["slot"]),
        mm_rb_root: member("mm_struct", &["mm_rb.rb_node"]),
        rb_left: member("rb_node", &["rb_left"]),
        rb_right: member("rb_node", &["rb_right"]),
        vma_rb: member("vm_area_struct", &["vm_rb"]),
        vma_start: member("vm_area_struct", &["vm_start"]),
        vma_end: member("vm_area_struct", &["vm_end"]),
        vma_pgoff: member("vm_area_struct", &["vm_pgoff"]),
        vma_file: member("vm_area_struct", &["vm_file"]),
        sock_uid: member("sock", &["sk_uid"]),
        skb_sk: member("sk_buff", &["sk"]),
        skb_protocol: member("sk_buff", &["protocol"]),
        skb_data: member("sk_buff", &["data"]),
        skb_head: member("sk_buff", &["head"]),
        skb_network_header: member("sk_buff", &["network_header"]),
        skb_transport_header: member("sk_buff", &["transport_header"]),
        request_cmd_flags: member("request", &["cmd_flags"]),
        request_sector: member("request", &["__sector"]),
        request_data_len: member("request", &["__data_len"]),
        request_q: member("request", &["q"]),
        // Linux 5.17 took rq_disk away; 5.15 gave the queue its disk
        request_rq_disk: member("request", &["rq_disk"]),
        queue_disk: member("request_queue", &["disk"]),
        disk_major: member("gendisk", &["major"]),
        disk_first_minor: member("gendisk", &["first_minor"]),
        // Of x86 and of arm64
        registers_call: member("pt_regs", &["orig_ax", "syscallno"]),
    }
}

const fn argument(tracepoint: &'static str, type_names: &'static [&'static str]) -> Argument {
    Argument {
        tracepoint,
        type_names,
    }
}

table! {
    /// Positions of arguments of BTF tracepoints, from 0.
    Arguments, ARGUMENTS: Argument,
    {
        // Linux 6.16 added group_dead
        exit_group_dead: argument("sched_process_exit", &["bool", "_Bool"]),
        // Linux 6.10 added the reason
        reset_reason: argument("tcp_send_reset", &["sk_rst_reason"]),
        // Linux 5.11 took the queue away, which came first
        block_issue_request: argument("block_rq_issue", &["request"]),
    }
}

const fn field(
    category: &'static str,
    tracepoint: &'static str,
    field: &'static str,
) -> TracepointField {
    TracepointField {
        category,
        tracepoint,
        field,
    }
}

table! {
    /// Offsets of fields inside tracepoint records, in bytes.
    TracepointOffsets, TRACEPOINT_FIELDS: TracepointField,
    {
        oom_pid: field("oom", "mark_victim", "pid"),
        // Linux 6.8 added all but the pid
        oom_comm: field("oom", "mark_victim", "comm"),
        oom_total_vm: field("oom", "mark_victim", "total_vm"),
        oom_anon_rss: field("oom", "mark_victim", "anon_rss"),
        oom_file_rss: field("oom", "mark_victim", "file_rss"),
        oom_shmem_rss: field("oom", "mark_victim", "shmem_rss"),
        oom_uid: field("oom", "mark_victim", "uid"),
        oom_score_adj: field("oom", "mark_victim", "oom_score_adj"),
        line_text: field("printk", "console", "msg"),
        capability: field("capability", "cap_capable", "cap"),
        capability_result: field("capability", "cap_capable", "ret"),
        fs_error_device: field("ext4", "ext4_error", "dev"),
        fs_error_function: field("ext4", "ext4_error", "function"),
        fs_error_line: field("ext4", "ext4_error", "line"),
        hang_thread: field("sched", "sched_process_hang", "pid"),
    }
}

/// What the agent chose.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Settings {
    /// Which signals are told: bit `n - 1` is signal `n`.
    pub signals: u64,
    /// Waits of this many nanoseconds and more are long.
    pub stall: u64,
    /// Requests of block devices of this many nanoseconds and more are told.
    pub slow_request: u64,
    /// Bytes of a page of memory.
    pub page: u64,
    /// The reader is woken when this many bytes wait in the ring buffer.
    pub wake_bytes: u32,
    /// Index of the cgroup v1 controller whose group is told; [`ABSENT`] tells the v2 group.
    pub cgroup_controller: u32,
    /// Number of `ptrace(2)` on this architecture.
    pub ptrace: u32,
    /// Number of `bpf(2)` on this architecture.
    pub bpf: u32,
    /// The agent's process id; 0 where it is not known.
    pub agent: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}
