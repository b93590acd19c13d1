//! Keeps the memory allocator from hoarding.
//!
//! glibc gives each thread an arena of its own, eight a CPU, and what a thread frees stays in its
//! arena. The agent's threads take turns at short bursts, so that idle arenas would keep several
//! times what is in use. See mallopt(3).

/// Two arenas for all threads: one is contended by the API's threads under full load.
const ARENAS: i32 = 2;
/// Blocks from this size on are mapped alone, and go back to the system when they are freed. Set,
/// it no longer grows with what is freed.
const MAP_FROM_BYTES: i32 = 256 * 1024;

/// Bounds what the allocator keeps. Call it before the first thread starts.
#[allow(unsafe_code)]
pub(crate) fn bound() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt(3) only sets parameters of the allocator, and no other thread runs yet.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_FROM_BYTES);
        }
    }
}
