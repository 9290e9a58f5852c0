//! Where a test has the process die: `RESUMEGUARD_FAILPOINT=<step>:<before_intent|after_intent|after_effect>`. Compiled out
//! without the feature `failpoints`.

use resumeguard_core::recovery::Step;

/// Nothing is written down yet.
pub(super) const BEFORE_INTENT: &str = "before_intent";
/// It is written down, and nothing is done.
pub(super) const AFTER_INTENT: &str = "after_intent";
/// It is done, and how it ended is not written down.
pub(super) const AFTER_EFFECT: &str = "after_effect";

/// Dies here, as by SIGKILL: no destructor runs, nothing is flushed.
#[cfg(feature = "failpoints")]
pub(super) fn reached(step: &Step, point: &str) {
    if std::env::var("RESUMEGUARD_FAILPOINT").is_ok_and(|wanted| wanted == format!("{}:{point}", step.code()))
    {
        std::process::abort();
    }
}

#[cfg(not(feature = "failpoints"))]
pub(super) fn reached(_step: &Step, _point: &str) {}
