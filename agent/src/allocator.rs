//! The memory allocator, and what keeps it from hoarding.
//!
//! What one thread allocates for an event another frees: the C library's allocator took a sixth of
//! the agent's time for that under load, hence mimalloc. As it comes, it keeps what is freed for a
//! second and asks for huge pages. That was measured under full load (`cargo xtask bench ingest`)
//! to be a fourth faster, with 235 MB in memory instead of 125, and 73 MB when idle instead of 44:
//! too much for an agent that is idle on most hosts.

/// Two arenas for all threads of the C library, which compression still uses: idle ones would keep
/// several times what is in use. See mallopt(3).
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;
/// mimalloc's `mi_option_purge_delay` (mimalloc.h): after how many milliseconds freed pages go
/// back to the system.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bounds what the allocator keeps. Call it before the first thread starts.
#[allow(unsafe_code)]
pub(crate) fn bound() {
    // SAFETY: sets parameters of the allocators and a flag of this process, for which any value
    // is valid; no other thread runs yet.
    unsafe {
        #[cfg(target_env = "gnu")]
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
        // A huge page is all in memory where only some of it is used.
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}
