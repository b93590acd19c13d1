//! How the level that a sender gave informs the tier, without replacing it.

use hark_api::{Level, Reason, ReasonCode, Tier};

use crate::finding::Opinion;

/// The least tier that a level asks for. `common` lines are sent so often at their level that it
/// says little; `new` ones were never seen, by a watch that has learned.
pub(crate) fn floor(level: Level, common: bool, new: bool) -> Tier {
    match (level, common, new) {
        (Level::Fatal, false, true) => Tier::Critical,
        (Level::Critical, false, true) | (Level::Fatal, false, false) => Tier::High,
        (Level::Error, false, true) | (Level::Critical, false, false) | (Level::Fatal, true, _) => {
            Tier::Warning
        }
        (Level::Warning, false, true)
        | (Level::Error, false, false)
        | (Level::Critical, true, _) => Tier::Notice,
        _ => Tier::Normal,
    }
}

/// The reason that goes with a tier that the level raised.
pub(crate) fn reason(level: Level) -> Reason {
    Reason::new(ReasonCode::Level, format!("the sender calls it {level}"))
}

/// Facts that the kernel's own log states, which need no statistics.
pub(crate) fn kernel_log_fact(message: &str, opinion: &mut Opinion) {
    const FACTS: [(&str, &str); 9] = [
        ("I/O error, dev", "a block device failed"),
        ("EXT4-fs error", "a file system is damaged"),
        ("XFS: Internal error", "a file system is damaged"),
        ("BTRFS error", "a file system is damaged"),
        (
            "Remounting filesystem read-only",
            "a file system became read-only",
        ),
        (
            "Out of memory: Killed process",
            "the kernel killed a process for want of memory",
        ),
        ("blocked for more than", "a task hangs in the kernel"),
        ("Kernel panic", "the kernel panicked"),
        ("Hardware Error", "the hardware reported an error"),
    ];
    if let Some((_, words)) = FACTS.iter().find(|(pattern, _)| message.contains(pattern)) {
        opinion.fact(*words);
    }
}
