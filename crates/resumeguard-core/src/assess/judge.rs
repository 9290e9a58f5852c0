//! The rules of judgement: one stored position against the oplogs it may have to resume from.

use super::asked;
use super::collection::{Behind, ended_since};
use super::debezium;
use super::forecast::{OplogTrack, PositionTrack, forecast};
use super::memory::ConnectorMemory;
use super::oplogs::Oplogs;
use super::restart::{
    after_a_refusal, from_a_copy, from_a_lost_position, from_a_refused_position, from_an_end, without_a_token,
};
use super::thresholds::Thresholds;
use crate::domain::{
    Basis, ConnectorFacts, Facts, FailureClass, FirstEntry, LiveKey, MemberFacts, Observed, OnRestart,
    Position, Probe, ProbeAnswer, Role, Selection, StoredOffset, TaskState, Timestamp, TokenKind, Verdict,
    Why,
};
use std::cmp::Reverse;

/// Readings older than this many intervals are unknown (J6).
pub const STALE_INTERVALS: u32 = 3;

/// Passes in a row before a position ahead of the oplog is believed (RG015).
const FUTURE_PASSES: u32 = 2;

/// The outcome for one connector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    /// What it stands on; `None` where it is unknown.
    pub(crate) basis: Option<Basis>,
    pub(crate) on_restart: OnRestart,
    pub(crate) headroom_seconds: Option<i64>,
    pub(crate) headroom_ratio: Option<f64>,
    pub(crate) lag_seconds: Option<i64>,
    /// The position was ahead of the deployment's last entry in this pass.
    pub(crate) in_future: bool,
    /// The oplog that decided was never truncated.
    pub(crate) never_truncated: bool,
    /// The member whose oplog decided.
    pub(crate) decided_by: Option<String>,
}

impl Judgement {
    pub(super) fn unknown(why: Why, on_restart: OnRestart) -> Self {
        Self {
            verdict: Verdict::Unknown(why),
            basis: None,
            on_restart,
            headroom_seconds: None,
            headroom_ratio: None,
            lag_seconds: None,
            in_future: false,
            never_truncated: false,
            decided_by: None,
        }
    }

    pub(super) fn standing_on(self, basis: Basis) -> Self {
        Self { basis: Some(basis), ..self }
    }
}

/// The oplog that decides (J3), and what is known around it.
struct Binding<'a> {
    /// The member with the greatest `first` among those that can be selected now.
    member: &'a MemberFacts,
    /// How its oplog has moved, where that was seen.
    track: Option<&'a OplogTrack>,
    first: FirstEntry,
    /// A position older than this is lost. It is `first`, but where the selection is hidden the smallest of all.
    lost_before: Timestamp,
    /// Between that and `lost_before` nobody knows, or a change of roles decides.
    doubtful_before: Timestamp,
    /// The newest entry of any member; unknown while neither the primary nor every member that holds data can be read.
    last: Observed<Timestamp>,
    /// The newest entry that was read of any member.
    newest_read: Option<Timestamp>,
    /// Every member that the connector could select now was read.
    complete: Observed<()>,
    /// Which members that is, nobody knows.
    hidden: bool,
    /// What the server said when it was asked, lately.
    asked: Option<Probe>,
}

impl Binding<'_> {
    /// Seconds until an oplog that still fills begins to truncate: at its average pace, or at that of late where it is
    /// faster.
    fn until_truncation(&self, window: i64) -> i64 {
        let average = self.member.seconds_until_truncation().unwrap_or(0);
        let of_late =
            self.track.filter(|_| self.first.initiating).and_then(|track| track.seconds_until_full(window));
        of_late.map_or(average, |of_late| average.min(of_late))
    }

    /// Seconds for which the position lasts if it stands still from now on.
    fn budget(&self, position: &Position) -> Option<i64> {
        let retention = self.member.sizes.min_retention_seconds;
        let forecast = forecast(self.track?, position.time, &PositionTrack::default(), retention);
        forecast.outage_budget_seconds.ok()
    }
}

/// Judges one connector.
pub(crate) fn judge(
    connector: &ConnectorFacts,
    facts: &Facts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
    oplogs: &Oplogs,
) -> Judgement {
    let judgement = judged(connector, facts, thresholds, memory, oplogs);
    match &connector.settings.debezium {
        Some(debezium) if judgement.on_restart == OnRestart::Resumes => {
            Judgement { on_restart: debezium::from_a_good_position(debezium), ..judgement }
        }
        Some(_) | None => judgement,
    }
}

fn judged(
    connector: &ConnectorFacts,
    facts: &Facts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
    oplogs: &Oplogs,
) -> Judgement {
    let binding = binding(connector, facts, oplogs);
    let floor = binding.as_ref().ok().map(|binding| binding.first);
    let position = match readable_position(connector, facts, floor) {
        Ok(position) => position,
        Err(judgement) => return judgement,
    };
    // The hosts may have changed behind the placeholder: a key that nobody writes any more must not be judged.
    let ambiguous = connector.key == Some(LiveKey::Inferred) && !memory.has_advanced_from(position.time);
    let judgement = match binding {
        Err(why) if ambiguous => return Judgement::unknown(why, OnRestart::Unknown),
        Ok(_) if ambiguous => return Judgement::unknown(Why::KeyAmbiguous, OnRestart::Unknown),
        Err(why) => Judgement::unknown(why, OnRestart::Unknown),
        Ok(binding) => {
            let behind = Behind::after(memory.behind(), connector, facts);
            let ends =
                connector.settings.ends_at(position.ends) || ended_since(position, connector, facts, behind);
            against(&binding, position, ends, connector, thresholds, memory)
        }
    };
    if let Verdict::Unknown(why) = judgement.verdict {
        let asked = asked::instead_of_the_oplog(why, position, connector, facts, thresholds);
        return if asked.basis.is_some() { asked } else { judgement };
    }
    let judgement = believe_the_server(judgement, connector, facts, floor);
    asked::beside_the_oplog(judgement, connector, facts, floor)
}

/// The position, or the judgement where there is none to compare.
fn readable_position<'a>(
    connector: &'a ConnectorFacts,
    facts: &Facts,
    floor: Option<FirstEntry>,
) -> Result<&'a Position, Judgement> {
    let unknown = |why, on_restart| Err(Judgement::unknown(why, on_restart));
    if connector.offset_age > facts.interval * STALE_INTERVALS {
        return unknown(Why::Stale, OnRestart::Unknown);
    }
    match &connector.offset {
        Ok(StoredOffset::Token(position)) => Ok(position),
        // With another start-up mode than the copy's its position is no token, and the stream begins without one.
        Ok(StoredOffset::Copying) => unknown(Why::Copying, from_a_copy(connector, floor)),
        // `BsonDocument.parse` throws on what is no document; what is one goes to the server, whose refusal the
        // connector swallows in a loop (both seen on the real connector).
        Ok(StoredOffset::Malformed { .. }) if connector.settings.debezium.is_some() => {
            unknown(Why::PositionMalformed, from_a_refused_position(connector, floor))
        }
        Ok(StoredOffset::Malformed { parses: false }) => unknown(Why::PositionMalformed, OnRestart::Fails),
        Ok(StoredOffset::Malformed { parses: true }) => unknown(Why::PositionMalformed, OnRestart::Stalls),
        Ok(StoredOffset::DocumentDb(_) | StoredOffset::Opaque) => {
            unknown(Why::PositionOpaque, OnRestart::Unknown)
        }
        Err(Why::NoPosition) => unknown(Why::NoPosition, without_a_token(connector, floor)),
        Err(why) => unknown(*why, OnRestart::Unknown),
    }
}

/// J3: the greatest `first` among the members that the connector's connection string can select.
fn binding<'a>(connector: &ConnectorFacts, facts: &'a Facts, oplogs: &'a Oplogs) -> Observed<Binding<'a>> {
    let name = connector.deployment.as_ref().map_err(|why| *why)?;
    let deployment = facts.deployment_of(connector).ok_or(Why::NotReadYet)?;
    let members = deployment.members.as_deref().map_err(|why| *why)?;
    let selection = connector.selection.as_ref().map_err(|why| *why)?;
    let candidates = selection.candidates(members);
    let complete = candidates.now.iter().try_for_each(|member| member.first.map(|_| ()));
    if candidates.unserved && !candidates.now.is_empty() {
        // A shard without anybody to be selected may be the one that holds least.
        return Err(Why::NoPrimary);
    }
    let firsts = || candidates.now.iter().filter_map(|member| Some((*member, member.first.ok()?)));
    let Some((member, first)) = firsts().max_by_key(least_held) else {
        let primary = members.iter().any(|member| member.role == Role::Primary);
        let nobody = if primary { Why::NoMemberSelected } else { Why::NoPrimary };
        return Err(complete.err().unwrap_or(nobody));
    };
    let hidden = *selection == Selection::Hidden;
    let smallest = firsts().map(|(_, first)| first.time).min().unwrap_or(first.time);
    let after_a_change = candidates.later.iter().filter_map(|member| Some(member.first.ok()?.time)).max();
    let newest_read = members.iter().filter_map(|member| member.last.ok()).max();
    Ok(Binding {
        member,
        track: oplogs.get(name, &member.host).map(|oplog| &oplog.track),
        first,
        lost_before: if hidden { smallest } else { first.time },
        doubtful_before: after_a_change.map_or(first.time, |time| time.max(first.time)),
        last: if every_primary_was_read(members) {
            newest_read.ok_or(Why::MemberUnreadable)
        } else {
            newest(members)
        },
        newest_read,
        complete,
        hidden,
        asked: asked::recent(connector, facts),
    })
}

/// The member that holds least: the greatest `first`; of two alike the one with the smaller window, then by name, so
/// that the order of reading decides nothing.
fn least_held<'a>((member, first): &(&'a MemberFacts, FirstEntry)) -> impl Ord + use<'a> {
    (first.time, Reverse(member.window_seconds()), member.host.as_str())
}

/// Nobody of a replica set is ahead of its primary that was read after the position. One shard's primary says nothing of
/// another shard, which may have written last.
fn every_primary_was_read(members: &[MemberFacts]) -> bool {
    let is_read = |shard: &Option<String>| {
        let mut of_it = members.iter().filter(|member| member.shard == *shard);
        of_it.any(|member| member.role == Role::Primary && member.last.is_ok())
    };
    members.iter().all(|member| is_read(&member.shard))
}

/// The newest entry of the deployment; a member that cannot be read may hold a newer one.
fn newest(members: &[MemberFacts]) -> Observed<Timestamp> {
    let mut newest = Err(Why::MemberUnreadable);
    for member in members.iter().filter(|member| member.role != Role::Arbiter) {
        let last = member.last?;
        newest = Ok(newest.map_or(last, |known| last.max(known)));
    }
    newest
}

fn against(
    binding: &Binding<'_>,
    position: &Position,
    ends: bool,
    connector: &ConnectorFacts,
    thresholds: &Thresholds,
    memory: &ConnectorMemory,
) -> Judgement {
    // Where the selection is hidden the one member that cannot be read may be the one that still holds it.
    if let (true, Err(why)) = (binding.hidden, binding.complete) {
        return Judgement::unknown(why, OnRestart::Unknown);
    }
    if position.time < binding.lost_before && binding.member.by_status {
        // What stands in for the oplog proves no loss; the server is asked.
        return Judgement::unknown(Why::OplogUnauthorized, OnRestart::Unknown);
    }
    if position.time < binding.lost_before {
        return older_than_first(binding, position, connector);
    }
    // Another member that could be selected may hold less.
    if let Err(why) = binding.complete {
        return Judgement::unknown(why, OnRestart::Unknown);
    }
    if position.time < binding.first.time {
        // Only where the selection is hidden: on some members it is lost, on others not.
        return Judgement::unknown(Why::UriPlaceholder, OnRestart::Unknown);
    }
    match (binding.member.last, binding.last) {
        (Ok(_), _) if ends && position.time <= binding.newest_read.unwrap_or(position.time) => {
            // In the window, and yet the next restart opens without a token (seen on the real connector).
            let on_restart = from_an_end(connector, Some(binding.first));
            numbers(binding, position, Verdict::Critical, on_restart)
        }
        (Ok(own), _) if position.time <= own => {
            inside_the_window(binding, position, connector, thresholds, memory)
        }
        (Ok(_), Ok(last)) if position.time <= last => {
            inside_the_window(binding, position, connector, thresholds, memory)
        }
        (Ok(_), Ok(_)) => ahead_of_last(binding, position, memory),
        (Err(why), _) | (_, Err(why)) => Judgement::unknown(why, OnRestart::Unknown),
    }
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
    numbers(binding, position, Verdict::Lost, from_a_lost_position(connector, Some(binding.first)))
}

/// A position cannot be ahead of an entry read later, unless it belongs elsewhere or was made by hand.
fn ahead_of_last(binding: &Binding<'_>, position: &Position, memory: &ConnectorMemory) -> Judgement {
    let judgement = if memory.future_passes() + 1 < FUTURE_PASSES {
        Judgement::unknown(Why::PositionInFuture, OnRestart::Unknown)
    } else {
        numbers(binding, position, Verdict::Critical, OnRestart::Stalls)
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
    // Of 74 tokens without the type bits that they need a real 6.0.5 refused 62: only the server can tell.
    let basis = match binding.asked.map(|probe| probe.answer) {
        _ if !position.type_bits_missing => Basis::Window,
        Some(ProbeAnswer::Resumes) => Basis::Probe,
        Some(ProbeAnswer::Refused(failure)) if failure.class != FailureClass::HistoryLost => {
            let on_restart = after_a_refusal(failure, connector, Some(binding.first));
            let on_restart = on_restart.unwrap_or(OnRestart::Unknown);
            return numbers(binding, position, Verdict::Critical, on_restart).standing_on(Basis::Probe);
        }
        _ => return Judgement::unknown(Why::TokenIncomplete, OnRestart::Unknown),
    };
    let at_the_edge = position.time == binding.first.time && !binding.first.initiating;
    let equality_resumes = binding.member.resumes_at_the_oldest();
    let Some(window) = binding.member.window_seconds() else {
        let why = binding.member.last.err().unwrap_or(Why::MemberUnreadable);
        return Judgement::unknown(why, OnRestart::Unknown);
    };
    // An oplog that still fills up takes nothing away yet: the time until it does counts as margin.
    let until_truncation = binding.until_truncation(window);
    let margin = seconds(position.time, binding.first.time).saturating_add(until_truncation);
    let capacity = window.saturating_add(until_truncation);
    let falls_with_a_change = position.time < binding.doubtful_before;
    let (verdict, on_restart) = if at_the_edge && !equality_resumes {
        let refused = || from_a_lost_position(connector, Some(binding.first));
        (Verdict::Critical, binding.member.wire_version.map_or(OnRestart::Unknown, |_| refused()))
    } else if falls_with_a_change {
        (Verdict::Critical, OnRestart::Resumes)
    } else {
        let by_margin = thresholds.verdict(&connector.id, as_f64(margin), as_f64(capacity), memory.verdict());
        let asked = thresholds.asks_for_a_budget(&connector.id);
        let budget = asked.then(|| binding.budget(position)).flatten();
        let by_budget =
            budget.map(|left| thresholds.by_budget(&connector.id, as_f64(left), memory.verdict()));
        let worst = std::iter::once(by_margin).chain(by_budget).min_by_key(|verdict| verdict.rank());
        (worst.unwrap_or(by_margin), OnRestart::Resumes)
    };
    numbers(binding, position, verdict, on_restart).standing_on(basis)
}

/// What a failed task says of its own token outweighs arithmetic: being inside the window is necessary, not sufficient.
fn believe_the_server(
    judgement: Judgement,
    connector: &ConnectorFacts,
    facts: &Facts,
    floor: Option<FirstEntry>,
) -> Judgement {
    let failed = connector.tasks.iter().filter(|task| task.state == TaskState::Failed);
    let worst = failed.filter_map(|task| task.failure).min_by_key(|failure| failure.class);
    let Some(failure) = worst.filter(|_| judgement.on_restart == OnRestart::Resumes) else {
        return judgement;
    };
    if failure.class == FailureClass::HistoryLost {
        return asked::between_failure_and_oplog(judgement, connector, facts, floor);
    }
    match after_a_refusal(failure, connector, floor) {
        Some(on_restart) => Judgement { verdict: Verdict::Critical, on_restart, ..judgement },
        None => judgement,
    }
}

fn numbers(binding: &Binding<'_>, position: &Position, verdict: Verdict, on_restart: OnRestart) -> Judgement {
    let headroom = seconds(position.time, binding.first.time);
    let window = binding.member.window_seconds().filter(|window| *window > 0);
    Judgement {
        verdict,
        basis: Some(Basis::Window),
        on_restart,
        headroom_seconds: Some(headroom),
        headroom_ratio: window.map(|window| as_f64(headroom) / as_f64(window)),
        lag_seconds: binding.newest_read.map(|last| seconds(last, position.time)),
        in_future: false,
        never_truncated: binding.first.initiating,
        decided_by: Some(binding.member.host.clone()),
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
