//! What kernel programs and agent share: the records in the ring buffer, the histograms, and the
//! globals that the agent sets before it loads the programs.
#![no_std]
#![forbid(unsafe_code)]

mod fault;
mod filter;
mod histogram;
mod layout;
mod loss;
mod name;
mod record;
mod stall;
mod warning;

pub use fault::{FaultRecord, NAMES_LEN};
pub use filter::{
    IGNORE_CGROUPS, IGNORE_COMMANDS, IGNORE_UIDS, IGNORED_CGROUPS_MAX, IGNORED_MAX, RateKey,
    WATCH_PREFIX_MAX, WATCH_READS, WATCH_WRITES, WATCHED_MAX, WITHHELD_MAX, WithheldKey,
};
pub use histogram::{BUCKETS, BlockKey, FIRST_BOUND_LOG2, Histogram, bucket};
pub use layout::{
    ABSENT, ARGUMENTS, Argument, Arguments, MEMBERS, Member, Offsets, Settings, TRACEPOINT_FIELDS,
    TracepointField, TracepointOffsets,
};
pub use loss::{UDP_DROP, UDP_ERROR, UDP_LOSSES_MAX, UdpLossKey};
pub use name::{DnsRecord, QUERIES_MAX, QUESTION_LEN, UNANSWERED};
pub use record::{
    ARGUMENTS_MAX, BlockErrorRecord, COMM_LEN, CgroupRecord, Counts, Credentials, ExecRecord,
    ExitRecord, ForkRecord, Header, Kind, OWNER_CLOSER, OWNER_CONNECTOR, OWNER_LISTENER,
    OWNER_UNKNOWN, OomRecord, PATH_LEN, QUIET, SignalRecord, SyscallRecord, TEXT_LEN, Task,
    TcpRecord, WALK_BROKEN, WALK_DETACHED, WALK_ROOT, Walk,
};
pub use stall::{
    RECLAIM_CGROUP, RECLAIM_HOST, ReclaimRecord, SYSCALL_ERRORS_MAX, SlowRequestRecord,
    SyscallErrorKey, WAIT_CPU, WAIT_KERNEL, WAIT_PAGE, WAITS_MAX, WaitKey, Waits,
};
pub use warning::{
    CapabilityRecord, FILE_CHANGE, FILE_DELETE, FILE_READ, FILE_RENAME, FILE_WRITE, FileRecord,
    FsErrorRecord, HangRecord, LINE_LEN, LineRecord,
};
