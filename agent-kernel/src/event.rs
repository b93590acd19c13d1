//! What the kernel told, decoded.

use std::net::SocketAddr;
use std::sync::Arc;

use hark_api::{Process, Timestamp};

mod dns;
mod fault;
mod loss;
mod stall;

pub use dns::Dns;
pub use fault::Fault;
pub use loss::{UdpDrop, UdpError};
pub use stall::{ListenOverflow, LongWaits, PressureStall, Reclaim, SlowRequest, SyscallFailures};

/// Something that the kernel told.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelEvent {
    /// When it happened, from the kernel's boot-time clock.
    pub time: Timestamp,
    /// The process that it is about: the one that executed, ended, was killed, was signalled, owns
    /// the connection. Absent where the kernel does not know.
    pub process: Option<Box<Process>>,
    /// What happened.
    pub data: Data,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A program was executed.
    Exec(Exec),
    /// A process was created. Threads are not told.
    Fork(Fork),
    /// A process ended, all its threads included.
    Exit(Exit),
    /// A signal was sent.
    Signal(Signal),
    /// The kernel killed a process for want of memory.
    OomKill(OomKill),
    /// An outgoing TCP connection was established, or failed to be.
    TcpConnect(TcpConnect),
    /// An incoming TCP connection was established.
    TcpAccept(TcpAccept),
    /// A TCP connection that had been established ended.
    TcpClose(TcpClose),
    /// A TCP reset was sent or received.
    TcpReset(TcpReset),
    /// A TCP segment was sent again.
    TcpRetransmit(TcpRetransmit),
    /// A process changed its user or group, or was refused to.
    Privilege(Privilege),
    /// A process took control of another, or was refused to.
    Ptrace(Ptrace),
    /// A file system was mounted or unmounted, or that was refused.
    Mount(Mount),
    /// A BPF program was loaded into the kernel, or refused.
    BpfLoad(BpfLoad),
    /// A module was loaded into the kernel or taken out, or that was refused.
    Module(Module),
    /// A block device failed to do something.
    BlockError(BlockError),
    /// The kernel wrote a line to its log.
    KernelLine(KernelLine),
    /// A process wanted to use a capability that it does not have.
    CapabilityDenied(CapabilityDenied),
    /// A file system found itself inconsistent.
    FsError(FsError),
    /// A thread has waited for long and cannot be woken.
    HungThread(HungThread),
    /// A process did something to a file that is watched.
    FileAccess(FileAccess),
    /// A thread waited while the kernel took memory back.
    Reclaim(Reclaim),
    /// System calls of a command failed, in sum.
    SyscallFailures(SyscallFailures),
    /// A listening port turned connections away because its queue was full.
    ListenOverflow(ListenOverflow),
    /// Threads waited for long for a resource.
    PressureStall(PressureStall),
    /// A name was asked for.
    Dns(Dns),
    /// The threads of a process waited for long.
    LongWaits(LongWaits),
    /// A block device took long for a request.
    SlowRequest(SlowRequest),
    /// A socket had no room for UDP datagrams that came in.
    UdpDrop(UdpDrop),
    /// A UDP socket was told that what it sent did not arrive.
    UdpError(UdpError),
    /// Events were more than their budget, and are told in sum.
    Withheld(Withheld),
}

/// A program was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// The path as given to the kernel; the script, where an interpreter runs one.
    pub path: String,
    /// The arguments, the program's own name first. Bytes that are not UTF-8 are replaced.
    pub arguments: Vec<String>,
    /// Whether there were more arguments than are told.
    pub truncated: bool,
    /// Number of bytes that all arguments have together.
    pub arguments_bytes: u64,
    /// Working directory, as the process's root sees it; absent where it lies too deep to be told.
    pub directory: Option<String>,
    /// Command name of the parent.
    pub parent_comm: String,
    /// Real group id.
    pub gid: u32,
}

/// A process was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fork {
    /// Process id of the new process; the event's process is the one that forked.
    pub child: u32,
}

/// A process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// What it said or suffered.
    pub status: ExitStatus,
    /// How long it had run, in nanoseconds.
    pub lifetime: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(u8),
    /// By a signal.
    Signal {
        /// Its number.
        signal: u8,
        /// Whether memory was dumped.
        core_dumped: bool,
    },
}

impl Default for ExitStatus {
    fn default() -> Self {
        Self::Code(0)
    }
}

/// A signal was sent. The event's process is the one that it was sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub signal: u8,
    /// The cause as in `siginfo_t.si_code`: 0 is kill(2), `0x80` the kernel, positive ones are
    /// faults.
    pub code: i32,
    /// What became of it.
    pub result: SignalResult,
    /// Whether it was sent to the whole process and not to one thread.
    pub to_process: bool,
    /// Who sent it; absent where the kernel did by itself.
    pub sender: Option<Sender>,
    /// The address that a fault was about, for signals that faults raise.
    pub address: Option<u64>,
    /// Where it happened, for signals that faults raise.
    pub fault: Option<Box<Fault>>,
}

/// What became of a signal, as in the kernel's `trace_signal_generate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignalResult {
    /// It was delivered.
    #[default]
    Delivered,
    /// The receiver ignores it.
    Ignored,
    /// The same signal was pending already.
    AlreadyPending,
    /// The receiver's queue of real-time signals was full.
    OverflowFail,
    /// It was delivered, but its information was lost.
    LoseInfo,
}

/// The process that sent a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Process id.
    pub pid: u32,
    /// Real user id.
    pub uid: u32,
    /// Command name.
    pub comm: String,
}

/// The kernel killed a process for want of memory. The event's process is the victim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OomKill {
    /// Virtual memory in bytes.
    pub total_vm: Option<u64>,
    /// Resident anonymous memory in bytes.
    pub anon_rss: Option<u64>,
    /// Resident file pages in bytes.
    pub file_rss: Option<u64>,
    /// Resident shared memory in bytes.
    pub shmem_rss: Option<u64>,
    /// The victim's `oom_score_adj`.
    pub oom_score_adj: Option<i16>,
    /// The process whose allocation ran out of memory.
    pub trigger: Sender,
}

/// The two ends of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// This host's end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// How the process of a TCP event is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// It is not.
    #[default]
    Unknown,
    /// It opened the connection.
    Connector,
    /// It listens on the local port; another process may have accepted the connection.
    Listener,
    /// It closed or reset the connection.
    Closer,
}

/// An outgoing TCP connection was established, or failed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConnect {
    /// Who with whom.
    pub ends: Ends,
    /// How the process is known.
    pub owner: Owner,
    /// How it went.
    pub outcome: ConnectOutcome,
    /// Time from the first SYN to the outcome, in nanoseconds.
    pub latency: Option<u64>,
}

/// How an outgoing connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// It was established.
    Established,
    /// It failed with this `errno`, as in `ECONNREFUSED`.
    Failed(i32),
    /// Its own side gave up, or closed it.
    Aborted,
}

/// An incoming TCP connection was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpAccept {
    /// Who with whom.
    pub ends: Ends,
    /// How the process is known.
    pub owner: Owner,
}

/// A TCP connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpClose {
    /// Who with whom.
    pub ends: Ends,
    /// How the process is known.
    pub owner: Owner,
    /// Whether this host opened it; unknown where it is older than the agent.
    pub outgoing: Option<bool>,
    /// Time since it was established, in nanoseconds; unknown where it is older than the agent.
    pub duration: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent, each counted once.
    pub sent: u64,
    /// Segments sent again over its life.
    pub retransmits: u32,
    /// Smoothed round-trip time in microseconds.
    pub srtt_us: u32,
    /// The error that it ended with, as `errno`; 0 is none.
    pub error: i32,
}

/// A TCP reset was sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpReset {
    /// Who with whom.
    pub ends: Ends,
    /// How the process is known.
    pub owner: Owner,
    /// Whether this host sent it.
    pub sent: bool,
    /// Why it was sent, in the kernel's words, as in `no_socket`; kernels before 6.10 do not tell.
    pub reason: Option<Arc<str>>,
    /// State of the connection, in the words of RFC 9293; absent where there was none.
    pub state: Option<&'static str>,
}

/// A TCP segment was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpRetransmit {
    /// Who with whom.
    pub ends: Ends,
    /// How the process is known.
    pub owner: Owner,
    /// State of the connection, in the words of RFC 9293.
    pub state: &'static str,
}

/// Who a process is to the kernel's checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
}

/// A process changed its user or group, or was refused to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// The system call, as in `setresuid`.
    pub call: &'static str,
    /// Who it was.
    pub before: Identity,
    /// Who it is now.
    pub after: Identity,
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// A process took control of another, or was refused to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ptrace {
    /// Process or thread id of the other, in the pid namespace of the one that took control.
    pub target: u32,
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// A file system was mounted or unmounted, or that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The system call: `mount`, `umount` or `move_mount`.
    pub call: &'static str,
    /// What was mounted, for `mount`.
    pub source: Option<String>,
    /// Where, as it was given; may be relative, or cut after 127 bytes.
    pub target: String,
    /// Type of the file system, for `mount`.
    pub fs_type: Option<String>,
    /// Flags of the call.
    pub flags: u64,
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// A BPF program was loaded into the kernel, or refused. The event's process loaded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpfLoad {
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// A module was loaded into the kernel or taken out, or that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The system call: `init_module`, `finit_module` or `delete_module`.
    pub call: &'static str,
    /// The module's name, for `delete_module`.
    pub name: Option<String>,
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// A block device failed to do something. The kernel does not know for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockError {
    /// The device's kernel name, as in `sda`.
    pub device: String,
    /// `read`, `write`, `flush`, `discard` or `other`.
    pub operation: &'static str,
    /// Where, in units of 512 bytes.
    pub sector: u64,
    /// How many bytes it was about.
    pub bytes: u32,
    /// What went wrong, in the kernel's words, as in `I/O`.
    pub error: &'static str,
}

/// Events were more than their budget, and are told in sum. The event's process is the one that brought
/// most of them about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The budget, as in `exec`.
    pub of: &'static str,
    /// Command name of the processes that the events were about; absent where they were too many to be
    /// told apart.
    pub command: Option<String>,
    /// How many events.
    pub count: u64,
    /// Time since the first of them, in nanoseconds.
    pub duration: u64,
    /// Who brought them about, the most frequent first: the parents of what was executed or ended, the
    /// senders of signals.
    pub causes: Vec<Cause>,
}

/// A process that brought events about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Process id.
    pub pid: u32,
    /// Command name; absent where the process has gone.
    pub comm: Option<String>,
    /// How many events.
    pub count: u64,
}

/// The kernel wrote a line to its log. It writes on behalf of any process, so none is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLine {
    /// At most 255 bytes of it.
    pub text: String,
}

/// A process wanted to use a capability that it does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityDenied {
    /// Its name, as in `CAP_NET_ADMIN`.
    pub capability: String,
}

/// A file system found itself inconsistent. The event's process used it as that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsError {
    /// The device's kernel name, as in `sda1`.
    pub device: String,
    /// Function of the kernel that found it.
    pub function: String,
    /// Line of the kernel's source.
    pub line: u32,
}

/// A thread has waited for long (`kernel.hung_task_timeout_secs`) and cannot be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HungThread {
    /// Thread id.
    pub tid: u32,
}

/// A process did something to a file that is watched, or was refused to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAccess {
    /// What.
    pub operation: FileOperation,
    /// The path as the process gave it; may be cut after 127 bytes.
    pub path: String,
    /// Flags of an opening, as in open(2).
    pub flags: u64,
    /// Why it was refused, as `errno`; 0 where it was not.
    pub error: i32,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOperation {
    /// Opened for reading.
    Read,
    /// Opened so that it may be changed.
    Write,
    /// Removed.
    Delete,
    /// Given another name, or replaced by another.
    Rename,
    /// Cut, or given another mode or owner.
    Change,
}
