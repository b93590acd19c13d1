//! What the kernel refuses, in words.

use aya::EbpfError;
use aya::programs::ProgramError;

/// How the verifier's lines of statistics begin; they end its log.
const STATISTICS: [&str; 3] = ["processed ", "verification time", "stack depth"];

/// An error of the kernel in words, and what to do about it.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> (String, String) {
    let mut reason = error.to_string();
    let mut source = error.source();
    let mut code = None;
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            code = io.raw_os_error();
        }
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    if let Some(ProgramError::LoadError {
        verifier_log,
        io_error,
    }) = error.downcast_ref::<ProgramError>()
    {
        let log = verifier_log.to_string();
        // The verifier's last words but the statistics tell what it minds.
        let last = log
            .lines()
            .rev()
            .find(|line| !STATISTICS.iter().any(|word| line.starts_with(word)))
            .unwrap_or("");
        code = io_error.raw_os_error();
        reason = format!("the kernel refused it: {io_error}: {last}");
    }
    let remedy = match code.map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::PERM) => {
            if error.downcast_ref::<EbpfError>().is_some() {
                "BPF is not permitted to this process (EPERM)".clone_into(&mut reason);
            }
            "run the agent as root, or with CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH; in a \
             container add them (docker run --privileged does); before Linux 5.11 also with \
             LimitMEMLOCK=infinity or CAP_SYS_RESOURCE"
        }
        // A patch of Debian's and its kin: at kernel.perf_event_paranoid=3, CAP_PERFMON is not enough.
        Some(rustix::io::Errno::ACCESS) if reason.contains("perf_event_open") => {
            "give the agent CAP_SYS_ADMIN, or set the sysctl kernel.perf_event_paranoid to 2 or less"
        }
        Some(rustix::io::Errno::NOMEM) => {
            "raise the memory limit (ulimit -l, LimitMEMLOCK=infinity)"
        }
        Some(rustix::io::Errno::NOENT) => "it comes with another version of the kernel",
        Some(rustix::io::Errno::INVAL) => "use a kernel of version 5.8 or newer",
        _ => "report it, with the output of hark-agent doctor",
    };
    (reason, remedy.to_owned())
}
