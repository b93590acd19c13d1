//! The records in the ring buffer.

use bytemuck::{Pod, Zeroable};

/// Length of a command name, the final zero included.
pub const COMM_LEN: usize = 16;
/// How many bytes of an executed or a control group's path are told, the final zero included.
pub const PATH_LEN: usize = 256;
/// How many bytes of arguments are told.
pub const ARGUMENTS_MAX: usize = 2047;

/// What a record is. A plain number in the record: what comes from the ring buffer is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// [`ExecRecord`].
    Exec,
    /// [`ForkRecord`].
    Fork,
    /// [`ExitRecord`].
    Exit,
    /// [`CgroupRecord`].
    Cgroup,
    /// [`SignalRecord`].
    Signal,
    /// [`OomRecord`].
    Oom,
    /// [`TcpRecord`].
    TcpConnect,
    /// [`TcpRecord`].
    TcpAccept,
    /// [`TcpRecord`].
    TcpClose,
    /// [`TcpRecord`].
    TcpResetSent,
    /// [`TcpRecord`].
    TcpResetReceived,
    /// [`TcpRecord`].
    TcpRetransmit,
    /// [`SyscallRecord`].
    Syscall,
    /// [`BlockErrorRecord`].
    BlockError,
    /// [`crate::LineRecord`].
    Line,
    /// [`crate::CapabilityRecord`].
    Capability,
    /// [`crate::FsErrorRecord`].
    FsError,
    /// [`crate::HangRecord`].
    Hang,
    /// [`crate::FileRecord`].
    File,
    /// [`crate::ReclaimRecord`].
    Reclaim,
    /// [`crate::DnsRecord`].
    Dns,
    /// [`crate::FaultRecord`].
    Fault,
    /// [`crate::SlowRequestRecord`].
    SlowRequest,
}

impl Kind {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 23] = [
        Self::Exec,
        Self::Fork,
        Self::Exit,
        Self::Cgroup,
        Self::Signal,
        Self::Oom,
        Self::TcpConnect,
        Self::TcpAccept,
        Self::TcpClose,
        Self::TcpResetSent,
        Self::TcpResetReceived,
        Self::TcpRetransmit,
        Self::Syscall,
        Self::BlockError,
        Self::Line,
        Self::Capability,
        Self::FsError,
        Self::Hang,
        Self::File,
        Self::Reclaim,
        Self::Dns,
        Self::Fault,
        Self::SlowRequest,
    ];
}

/// What became of the records of one kind on one CPU.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Counts {
    /// Records that there were to tell.
    pub emitted: u64,
    /// Of these, those for which the ring buffer had no room.
    pub dropped: u64,
}

/// A process, as the kernel knows it at the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Task {
    /// Process id, in the initial pid namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Id of the control group: the inode of its directory. 0 is unknown.
    pub cgroup: u64,
    /// Command name, filled up with zeros.
    pub comm: [u8; COMM_LEN],
}

impl Task {
    /// Where no process is known, or none is concerned.
    pub const NOBODY: Self = Self {
        pid: 0,
        tid: 0,
        uid: 0,
        gid: 0,
        cgroup: 0,
        comm: [0; COMM_LEN],
    };
}

/// Set in [`Header::kind`] where the process is ignored: the record is for the process table alone.
pub const QUIET: u32 = 1 << 31;

/// How each record starts.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`Kind`] as a number; with [`QUIET`] for processes that are ignored.
    pub kind: u32,
    /// The CPU.
    pub cpu: u32,
    /// Nanoseconds since boot, time in suspension included (`CLOCK_BOOTTIME`).
    pub time: u64,
    /// The process that it is about.
    pub task: Task,
}

/// A program was executed. Four texts follow, of the lengths told: the path as it was given, ended
/// by a zero; the executable's path and the working directory, as [`Walk`] tells them; and the
/// arguments, each ended by a zero.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ExecRecord {
    /// The process, with its new name.
    pub header: Header,
    /// Length of all arguments; those beyond [`ARGUMENTS_MAX`] bytes are not told.
    pub arguments_bytes: u64,
    /// Process id of the parent.
    pub parent: u32,
    /// Bytes of the path.
    pub path_len: u32,
    /// The executable's path.
    pub exe: Walk,
    /// The working directory.
    pub directory: Walk,
    /// Bytes of arguments that follow.
    pub arguments_len: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
    /// Command name of the parent.
    pub parent_comm: [u8; COMM_LEN],
}

/// A path that was walked from its end to the root: the names follow in that order, each ended by a
/// zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Walk {
    /// Bytes of the names.
    pub len: u32,
    /// `WALK_*`.
    pub end: u32,
}

/// The walk did not come to an end, or met a name that is too long.
pub const WALK_BROKEN: u32 = 0;
/// The walk came to the root.
pub const WALK_ROOT: u32 = 1;
/// The walk came to a file that is in no directory, as those of `memfd_create(2)`.
pub const WALK_DETACHED: u32 = 2;

/// A process was created.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ForkRecord {
    /// The process that forked.
    pub header: Header,
    /// Process id of the new process.
    pub child: u32,
    /// Its parent: not the forking process where that gave its own (`CLONE_PARENT`).
    pub parent: u32,
}

/// A process ended.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ExitRecord {
    /// The process.
    pub header: Header,
    /// When it was created, on the clock of [`Header::time`].
    pub started: u64,
    /// As from wait(2): code in the second byte, signal in the lower seven bits, `0x80` is a core.
    pub status: u32,
    /// Process id of the parent.
    pub parent: u32,
}

/// A control group was made; its path follows.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct CgroupRecord {
    /// Who made it.
    pub header: Header,
    /// Its id.
    pub id: u64,
    /// Id of the hierarchy that it is in.
    pub hierarchy: u32,
    /// Length of the path, the final zero included.
    pub path_len: u32,
    /// The path below the hierarchy's root.
    pub path: [u8; PATH_LEN],
}

/// A signal was sent.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SignalRecord {
    /// The receiver.
    pub header: Header,
    /// The process that ran as the signal was sent: the sender, where [`Self::code`] says that a
    /// process sent it.
    pub sender: Task,
    /// The address of a fault.
    pub address: u64,
    /// Number.
    pub signal: u32,
    /// As `si_code`.
    pub code: i32,
    /// As the kernel's `TRACE_SIGNAL_*`.
    pub result: u32,
    /// 1 where it was sent to the whole process.
    pub group: u32,
}

/// The kernel killed a process for want of memory.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct OomRecord {
    /// The process that ran out of memory; not the victim.
    pub header: Header,
    /// Virtual memory in KiB, `u64::MAX` where unknown, as the next three.
    pub total_vm: u64,
    /// Resident anonymous memory.
    pub anon_rss: u64,
    /// Resident file pages.
    pub file_rss: u64,
    /// Resident shared memory.
    pub shmem_rss: u64,
    /// The victim's process id.
    pub pid: u32,
    /// The victim's real user id; `u32::MAX` where unknown.
    pub uid: u32,
    /// The victim's `oom_score_adj`; `i32::MIN` where unknown.
    pub score_adj: i32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
    /// The victim's command name.
    pub comm: [u8; COMM_LEN],
}

/// Nobody knows whose the connection is.
pub const OWNER_UNKNOWN: u32 = 0;
/// The process opened the connection.
pub const OWNER_CONNECTOR: u32 = 1;
/// The process listens on the local port.
pub const OWNER_LISTENER: u32 = 2;
/// The process closed the connection.
pub const OWNER_CLOSER: u32 = 3;

/// Something happened to a TCP connection.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct TcpRecord {
    /// The owner as far as it is known; all zero where it is not.
    pub header: Header,
    /// When the connection was opened or, if it was accepted, established; 0 where unknown.
    pub started: u64,
    /// When it was established; 0 where unknown or never.
    pub established: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent, each counted once.
    pub sent: u64,
    /// Segments sent again.
    pub retransmits: u32,
    /// Smoothed round-trip time in eighths of microseconds.
    pub srtt: u32,
    /// The error of the socket as `errno`.
    pub error: i32,
    /// The kernel's `enum sk_rst_reason`; `u32::MAX` where unknown.
    pub reason: u32,
    /// `OWNER_*`.
    pub owner: u32,
    /// State before, as in the kernel's `tcp_states.h`; 0 is none.
    pub state: u32,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Local port, in host order.
    pub local_port: u16,
    /// Remote port, in host order.
    pub remote_port: u16,
    /// Keeps the size a multiple of 8.
    pub reserved: u16,
    /// Local address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// Remote address.
    pub remote: [u8; 16],
}

/// Length of the longer texts of a [`SyscallRecord`], the final zero included.
pub const TEXT_LEN: usize = 128;

/// Who a process is to the kernel's checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
}

/// A system call that matters to the host's safety has been made.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SyscallRecord {
    /// The process, after the call.
    pub header: Header,
    /// What it answered: below 0 is an error.
    pub result: i64,
    /// The first arguments, as they were given.
    pub arguments: [u64; 4],
    /// Who the process was before the call.
    pub before: Credentials,
    /// Who it is after the call.
    pub after: Credentials,
    /// Number of the call, on this architecture.
    pub number: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
    /// The text that the first argument points to, for calls where it does; ended by a zero.
    pub first: [u8; TEXT_LEN],
    /// The text that the second argument points to.
    pub second: [u8; TEXT_LEN],
    /// The text that the third argument points to.
    pub third: [u8; 32],
}

/// A block device failed to do something.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct BlockErrorRecord {
    /// The process that ran as the failure was told: any process.
    pub header: Header,
    /// Where on the device, in units of 512 bytes.
    pub sector: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// The kernel's `blk_status_t`.
    pub status: u32,
    /// Device and operation.
    pub key: crate::BlockKey,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}
