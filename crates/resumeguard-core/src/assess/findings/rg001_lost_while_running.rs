//! RG001: the stored position cannot resume, and nothing else shows it.

use super::{Case, Matched};
use crate::domain::{LiveStream, Severity, Verdict};

/// Matches once a running connector's stored position has been lost for a whole offset flush (J4): a newer token may
/// be on its way to being stored until then.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let lost_for = case.memory.lost_for(case.now)?;
    if lost_for < case.thresholds.offset_flush || case.judgement.verdict != Verdict::Lost {
        return None;
    }
    let behind = case.judgement.headroom_seconds.unwrap_or(0).unsigned_abs();
    let behind = if behind == 0 { "less than a second".to_owned() } else { format!("{behind} s") };
    let stream = match case.live_stream() {
        LiveStream::Carries => {
            "the one stream on its namespace lives and was opened from a token or before that position: nothing is lost while it lives"
        }
        LiveStream::OpenedLater => {
            "the one stream on its namespace was opened after that position, without a token: what lies between may have been skipped"
        }
        LiveStream::Unread => "the one stream on its namespace has not been read for a while",
        LiveStream::None => "no member shows an open change stream of it",
        LiveStream::Unproven => "whether the live stream still delivers is not proven",
    };
    Some(Matched {
        severity: Severity::Critical,
        summary: format!(
            "RUNNING, but its stored position is {behind} older than the oplog's oldest entry: any restart {}{}; {stream}",
            case.judgement.on_restart.code(),
            asked(case)
        ),
        advice: "DO NOT RESTART it, its worker or its configuration; one change in the watched namespace makes a live stream store a fresh token".to_owned(),
    })
}

/// Whether MongoDB itself was asked, and confirms it. It is asked once: what is gone does not come back.
fn asked(case: &Case<'_>) -> String {
    let Some(probe) = case.connector.probe else { return String::new() };
    let Some(code) = probe.answer.refusal().and_then(|failure| failure.code) else { return String::new() };
    let ago = match probe.age.as_secs() {
        0..=59 => String::new(),
        seconds @ 60..=7199 => format!(" {} min ago", seconds / 60),
        seconds => format!(" {} h ago", seconds / 3600),
    };
    format!(" (MongoDB was asked{ago} and refuses the token with {code})")
}
