//! The rules of judgement: one stored position against the oplogs it may have to resume from.

use super::memory::ConnectorMemory;
use super::thresholds::Thresholds;
use crate::domain::{
    ConnectorFacts, Facts, FailureClass, FirstEntry, MemberFacts, Observed, OnRestart, Position, Role,
    StartupMode, StoredOffset, TaskState, Timestamp, TokenKind, Tolerance, Verdict, Why,
};

/// Readings older than this many intervals are unknown (J6).
const STALE_INTERVALS: u32 = 3;

/// `maxWireVersion` of MongoDB 5.0, the first that resumes at exactly the oldest entry (measured on 6.0.5; for 4.4 and
/// older the server's `DocumentSourceCheckResumability` compares strictly).
const EQUALITY_RESUMES_SINCE: i32 = 13;

/// Passes in a row before a position ahead of the oplog is believed (RG015).
const FUTURE_PASSES: u32 = 2;

/// The outcome for one connector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) on_restart: OnRestart,
    pub(crate) headroom_seconds: Option<i64>,
    pub(crate) headroom_ratio: Option<f64>,
    pub(crate) lag_seconds: Option<i64>,
    /// The position was ahead of the deployment's last entry in this pass.
    pub(crate) in_future: bool,
}

impl Judgement {
    fn unknown(why: Why, on_restart: OnRestart) -> Self {
        Self {
            verdict: Verdict::Unknown(why),
            on_restart,
            headroom_seconds: None,
            headroom_ratio: None,
            lag_seconds: None,
            in_future: false,
        }
    }
}

/// The oplog that decides (J3), and what is known around it.
struct Binding<'a> {
    member: &'a MemberFacts,
    first: FirstEntry,
    /// The newest entry of any member.
    last: Observed<Timestamp>,
    /// Every member that the connector could select was read.
    complete: Observed<()>,
}

/// Judges one connector.
pub(crate) fn judge(
    connector: &ConnectorFacts,
    facts: &Facts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
) -> Judgement {
    let position = match readable_position(connector, facts) {
        Ok(position) => position,
        Err(judgement) => return judgement,
    };
    let binding = match binding(connector, facts) {
        Ok(binding) => binding,
        Err(why) => return Judgement::unknown(why, OnRestart::Unknown),
    };
    let judgement = against(&binding, position, connector, thresholds, memory);
    believe_the_server(judgement, connector)
}

/// The position, or the judgement where there is none to compare.
fn readable_position<'a>(connector: &'a ConnectorFacts, facts: &Facts) -> Result<&'a Position, Judgement> {
    let unknown = |why, on_restart| Err(Judgement::unknown(why, on_restart));
    if connector.offset_age > facts.interval * STALE_INTERVALS {
        return unknown(Why::Stale, OnRestart::Unknown);
    }
    match &connector.offset {
        Ok(StoredOffset::Token(position)) => Ok(position),
        Ok(StoredOffset::Copying) => unknown(Why::Copying, OnRestart::Resnapshots),
        // `BsonDocument.parse` throws on what is no document; what is one goes to the server, whose refusal the
        // connector swallows in a loop (both seen on the real connector).
        Ok(StoredOffset::Malformed { parses: false }) => unknown(Why::PositionMalformed, OnRestart::Fails),
        Ok(StoredOffset::Malformed { parses: true }) => unknown(Why::PositionMalformed, OnRestart::Stalls),
        Ok(StoredOffset::Opaque) => unknown(Why::PositionOpaque, OnRestart::Unknown),
        Err(Why::NoPosition) => unknown(Why::NoPosition, without_a_token(connector)),
        Err(why) => unknown(*why, OnRestart::Unknown),
    }
}

/// Where a start without a stored token begins.
fn without_a_token(connector: &ConnectorFacts) -> OnRestart {
    match connector.settings.startup_mode {
        StartupMode::Latest => OnRestart::Skips,
        StartupMode::Timestamp => OnRestart::Replays,
        StartupMode::CopyExisting => OnRestart::Resnapshots,
    }
}

/// What a restart from a lost position does. The tolerated path never copies again, whatever the start-up mode says
/// (mongo-kafka `StartedMongoSourceTask.tryRecreateCursor`).
fn from_a_lost_position(connector: &ConnectorFacts) -> OnRestart {
    match (connector.settings.tolerance, connector.settings.startup_mode) {
        (Tolerance::None, _) => OnRestart::Fails,
        (Tolerance::All, StartupMode::Timestamp) => OnRestart::Replays,
        (Tolerance::All, StartupMode::Latest | StartupMode::CopyExisting) => OnRestart::Skips,
    }
}

/// J3: the greatest `first` among the members that the connector's connection string can select.
fn binding<'a>(connector: &ConnectorFacts, facts: &'a Facts) -> Observed<Binding<'a>> {
    connector.deployment.as_ref().map_err(|why| *why)?;
    let deployment = facts.deployment_of(connector).ok_or(Why::NotReadYet)?;
    let members = deployment.members.as_deref().map_err(|why| *why)?;
    let candidates = connector.selection.as_ref().map_err(|why| *why)?.candidates(members);
    let complete = candidates.iter().try_for_each(|member| member.first.map(|_| ()));
    let greatest = candidates.iter().filter_map(|member| Some((*member, member.first.ok()?)));
    match greatest.max_by_key(|(_, first)| first.time) {
        Some((member, first)) => {
            let newest = members.iter().filter_map(|m| m.last.ok()).max();
            let last = newest.ok_or_else(|| member.last.err().unwrap_or(Why::MemberUnreadable));
            Ok(Binding { member, first, last, complete })
        }
        None if !members.iter().any(|member| member.role == Role::Primary) => {
            Err(complete.err().unwrap_or(Why::NoPrimary))
        }
        None => Err(complete.err().unwrap_or(Why::NoMemberSelected)),
    }
}

fn against(
    binding: &Binding<'_>,
    position: &Position,
    connector: &ConnectorFacts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
) -> Judgement {
    if position.time < binding.first.time {
        return older_than_first(binding, position, connector);
    }
    // Another member that could be selected may hold less.
    if let Err(why) = binding.complete {
        return Judgement::unknown(why, OnRestart::Unknown);
    }
    let last = match binding.last {
        Ok(last) => last,
        Err(why) => return Judgement::unknown(why, OnRestart::Unknown),
    };
    if position.time > last {
        return ahead_of_last(binding, position, last, memory);
    }
    inside_the_window(binding, position, connector, thresholds, memory)
}

/// J2. The position was read after `first` (J1), so it is lost beyond doubt, unless one of the two exceptions holds.
fn older_than_first(binding: &Binding<'_>, position: &Position, connector: &ConnectorFacts) -> Judgement {
    if binding.first.initiating && position.kind != TokenKind::Event {
        // The server accepts any high-water mark while nothing was ever truncated.
        return Judgement::unknown(Why::PositionForeign, OnRestart::Unknown);
    }
    if !connector.offset_age.is_zero() {
        // Read in an earlier pass than `first`: the connector may have moved on since.
        return Judgement::unknown(Why::Contradictory, OnRestart::Unknown);
    }
    numbers(binding, position, Verdict::Lost, from_a_lost_position(connector))
}

/// A position cannot be ahead of an entry read later, unless it belongs elsewhere or was made by hand.
fn ahead_of_last(
    binding: &Binding<'_>,
    position: &Position,
    last: Timestamp,
    memory: &ConnectorMemory,
) -> Judgement {
    let judgement = if memory.future_passes() + 1 < FUTURE_PASSES {
        Judgement::unknown(Why::PositionInFuture, OnRestart::Unknown)
    } else {
        let known = numbers(binding, position, Verdict::Critical, OnRestart::Stalls);
        Judgement { lag_seconds: Some(seconds(last, position.time)), ..known }
    };
    Judgement { in_future: true, ..judgement }
}

fn inside_the_window(
    binding: &Binding<'_>,
    position: &Position,
    connector: &ConnectorFacts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
) -> Judgement {
    let at_the_edge = position.time == binding.first.time && !binding.first.initiating;
    let equality_resumes = binding.member.wire_version.is_some_and(|v| v >= EQUALITY_RESUMES_SINCE);
    let Some(window) = binding.member.window_seconds() else {
        let why = binding.member.last.err().unwrap_or(Why::MemberUnreadable);
        return Judgement::unknown(why, OnRestart::Unknown);
    };
    // An oplog that still fills up takes nothing away yet: the time until it does counts as margin.
    let until_truncation = binding.member.seconds_until_truncation().unwrap_or(0);
    let margin = seconds(position.time, binding.first.time).saturating_add(until_truncation);
    let capacity = window.saturating_add(until_truncation);
    let verdict = if at_the_edge && !equality_resumes {
        Verdict::Critical
    } else {
        thresholds.verdict(&connector.id, as_f64(margin), as_f64(capacity), memory.verdict())
    };
    if connector.settings.ends_at(position.ends) {
        // In the window, and yet the next restart opens without a token and skips (seen on the real connector).
        return numbers(binding, position, Verdict::Critical, OnRestart::Skips);
    }
    numbers(binding, position, verdict, OnRestart::Resumes)
}

/// What a failed task says of its own token outweighs arithmetic: being inside the window is necessary, not sufficient.
fn believe_the_server(judgement: Judgement, connector: &ConnectorFacts) -> Judgement {
    let failed = connector.tasks.iter().filter(|task| task.state == TaskState::Failed);
    let refused = failed.filter_map(|task| task.failure).map(|failure| failure.class).min();
    let resumes = judgement.on_restart == OnRestart::Resumes;
    match refused {
        Some(FailureClass::HistoryLost) if resumes => {
            Judgement::unknown(Why::Contradictory, OnRestart::Unknown)
        }
        Some(FailureClass::WrongStream | FailureClass::TokenMalformed | FailureClass::EventTooLarge)
            if resumes =>
        {
            Judgement { verdict: Verdict::Critical, on_restart: OnRestart::Fails, ..judgement }
        }
        _ => judgement,
    }
}

fn numbers(binding: &Binding<'_>, position: &Position, verdict: Verdict, on_restart: OnRestart) -> Judgement {
    let headroom = seconds(position.time, binding.first.time);
    let window = binding.member.window_seconds().filter(|window| *window > 0);
    Judgement {
        verdict,
        on_restart,
        headroom_seconds: Some(headroom),
        headroom_ratio: window.map(|window| as_f64(headroom) / as_f64(window)),
        lag_seconds: binding.last.ok().map(|last| seconds(last, position.time)),
        in_future: false,
    }
}

/// `a − b` in whole seconds of oplog time.
fn seconds(a: Timestamp, b: Timestamp) -> i64 {
    i64::from(a.t) - i64::from(b.t)
}

/// Exact for every difference of two 32-bit times.
#[expect(clippy::cast_precision_loss, reason = "differences of 32-bit seconds fit 53 bits")]
fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}
