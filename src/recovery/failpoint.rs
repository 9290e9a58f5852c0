//! Where a test has the process die: `RESUMEGUARD_FAILPOINT=<step>:<before_intent|after_intent|before_rename|after_effect>[:<which>]`, `which`
//! being the how manieth time that point is reached, from 1. The cure of a whole topic has steps of its own. Compiled out without the
//! feature `failpoints`.

use resumeguard_core::recovery::Step;

/// Nothing is written down yet.
pub(super) const BEFORE_INTENT: &str = "before_intent";
/// It is written down, and nothing is done.
pub(crate) const AFTER_INTENT: &str = "after_intent";
/// A worker's new file stands beside the old one.
pub(super) const BEFORE_RENAME: &str = "before_rename";
/// It is done, and how it ended is not written down.
pub(crate) const AFTER_EFFECT: &str = "after_effect";

/// Dies at this point of a step.
pub(super) fn reached(step: &Step, point: &str) {
    passed(step.code(), point);
}

/// Dies here, as by SIGKILL: no destructor runs, nothing is flushed.
#[cfg(feature = "failpoints")]
pub(crate) fn passed(step: &str, point: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("RESUMEGUARD_FAILPOINT") else { return };
    let Some(which) = wanted.strip_prefix(&format!("{step}:{point}")) else { return };
    let which = which.strip_prefix(':').and_then(|which| which.parse().ok()).unwrap_or(1);
    if TIMES.fetch_add(1, Ordering::SeqCst).saturating_add(1) == which {
        std::process::abort();
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn passed(_step: &str, _point: &str) {}
