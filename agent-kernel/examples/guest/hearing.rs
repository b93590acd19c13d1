//! What the kernel side told so far.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hark_kernel::KernelEvent;

use crate::checks::Failure;

/// How long an event may take. An emulated processor is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the kernel side told so far.
pub(crate) struct Hearing(Arc<Mutex<Vec<KernelEvent>>>);

impl Hearing {
    /// With the sink that fills it.
    pub(crate) fn new() -> (Self, impl FnMut(&mut Vec<KernelEvent>) + Send + 'static) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let told = Arc::clone(&told);
            move |batch: &mut Vec<KernelEvent>| {
                told.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .append(batch);
            }
        };
        (Self(told), sink)
    }

    /// The first event that `pick` takes, as soon as it is told.
    pub(crate) fn wait<T>(&self, pick: impl Fn(&KernelEvent) -> Option<T>) -> Result<T, Failure> {
        until(|| {
            let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            told.iter().find_map(&pick)
        })
        .ok_or_else(|| Failure::Wrong(format!("not told within {} s", PATIENCE.as_secs())))
    }
}

/// Asks again and again until there is an answer, but not for ever.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > end {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
