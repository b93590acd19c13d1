//! Kernel lockdown: what even root may not do. See `kernel_lockdown(7)`.

/// Where the kernel tells its modes, the one in force in brackets: `none [integrity] …`.
const PATH: &str = "/sys/kernel/security/lockdown";

/// Why nothing can be heard in the mode in force, and what to do about it.
pub(crate) const FORBIDS: (&str, &str) = (
    "lockdown=confidentiality forbids kernel programs to read the kernel's memory",
    "boot with lockdown=integrity or less",
);

/// The mode in force; `none` where the kernel tells none.
pub(crate) fn mode() -> String {
    let text = std::fs::read_to_string(PATH).unwrap_or_default();
    text.split(['[', ']']).nth(1).unwrap_or("none").to_owned()
}

/// Whether a mode forbids what hark does.
pub(crate) fn forbids(mode: &str) -> bool {
    mode == "confidentiality"
}
