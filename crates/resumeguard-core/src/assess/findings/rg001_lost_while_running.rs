//! RG001: the stored position cannot resume, and nothing else shows it.

use super::{Case, Matched};
use crate::assess::evidence::Living;
use crate::domain::{ChangeStream, Severity, Verdict};

/// A stream that is polled is read every `poll.await.time.ms`, 5 s by default; seconds of the server's clock.
const RECENTLY: i64 = 60;

/// Matches once a running connector's stored position has been lost for a whole offset flush (J4): a newer token may
/// be on its way to being stored until then.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let lost_for = case.memory.lost_for(case.now)?;
    if lost_for < case.thresholds.offset_flush || case.judgement.verdict != Verdict::Lost {
        return None;
    }
    let behind = case.judgement.headroom_seconds.unwrap_or(0).unsigned_abs();
    let behind = if behind == 0 { "less than a second".to_owned() } else { format!("{behind} s") };
    let stream = match case.living {
        Living::One(stream) => proof(case, stream),
        Living::None => "no member shows an open change stream of it".to_owned(),
        Living::Unseen | Living::Ambiguous => {
            "whether the live stream still delivers is not proven".to_owned()
        }
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

/// Whether MongoDB itself was asked, and confirms it.
fn asked(case: &Case<'_>) -> String {
    let refusal = case.connector.probe.and_then(|probe| probe.answer.refusal());
    let code = refusal.and_then(|failure| failure.code);
    code.map(|code| format!(" (MongoDB was asked and refuses the token with {code})")).unwrap_or_default()
}

/// A stream that is older than the loss has carried the connector over it, and holds everything since.
fn proof(case: &Case<'_>, stream: &ChangeStream) -> String {
    let position = case.connector.token_time().map_or(i64::MAX, |position| i64::from(position.t));
    let newest = case.facts.newest_of(case.connector).map_or(i64::MAX, |newest| i64::from(newest.t));
    let read = stream.last_read.unwrap_or(stream.created_seconds());
    if newest.saturating_sub(read) > RECENTLY {
        return "the one stream on its namespace has not been read for a while".to_owned();
    }
    if stream.created_seconds() <= position || stream.with_a_token() {
        return "the one stream on its namespace lives and was opened from a token or before that position: nothing is lost while it lives".to_owned();
    }
    "the one stream on its namespace was opened after that position, without a token: what lies between may have been skipped".to_owned()
}
