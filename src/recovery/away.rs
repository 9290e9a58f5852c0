//! Connect is away, or refuses for the moment: how long it is waited for, and what is said meanwhile.

use super::actions::{BUSY, Sent};
use resumeguard_core::domain::{ConnectorId, ConnectorState};
use resumeguard_core::recovery::{Attempt, AttemptId, Outcome, Phase, Step};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a Connect cluster that cannot be read is waited for while nothing is at stake but this attempt: longer than a worker
/// takes to be replaced.
const ON: Duration = Duration::from_secs(600);

/// The same on the way back: whoever gives up there leaves a connector stopped that ran before. An outage of Connect may take a
/// weekend.
const BACK: Duration = Duration::from_secs(7 * 86_400);

/// Between two times that something is written down and not sent.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);

/// What refuses for less is no news.
const TOLD_FROM: Duration = Duration::from_secs(60);

/// How often it is said that it is still waited for.
const TELL: Duration = Duration::from_secs(600);

/// What is waited for by one step.
#[derive(Debug)]
pub(super) struct Away {
    connector: ConnectorId,
    attempt: AttemptId,
    back: bool,
    /// For how long this step could not be asked for at all.
    since: Option<Duration>,
    stands: Option<&'static str>,
    /// How often it was said.
    told: AtomicU64,
}

impl Away {
    pub(super) fn new(attempt: &Attempt, phase: Phase) -> Self {
        let back = phase == Phase::Back;
        let (connector, id) = (attempt.plan.connector.clone(), attempt.id.clone());
        let (since, stands) = (refused_for(attempt), stands(attempt));
        Self { connector, attempt: id, back, since, stands, told: AtomicU64::new(0) }
    }

    /// That of an attempt that has done nothing.
    #[cfg(test)]
    pub(super) fn of_nothing() -> Self {
        Self::new(&tests::attempt(&[]), Phase::Forward)
    }

    /// How long what cannot be read is waited for.
    pub(super) fn unread(&self) -> Duration {
        if self.back { BACK } else { ON }
    }

    /// How long a primary is waited for without another look.
    pub(super) fn no_primary(&self) -> Duration {
        if self.back { BUSY } else { Duration::ZERO }
    }

    /// What has refused for some minutes is refused; on the way back, for days.
    pub(super) fn not_now(&self, line: String) -> Sent {
        let since = self.since.unwrap_or_default();
        if since >= if self.back { BACK } else { BUSY } {
            return Sent::Refused(line);
        }
        if since >= TOLD_FROM {
            self.warn(since, &line);
        }
        Sent::NotNow(line)
    }

    /// Until what has refused is looked at again: the longer it has, the longer; each time is written down.
    pub(super) fn pause(&self) -> Duration {
        (self.since.unwrap_or_default() / 2).clamp(SHORTEST_PAUSE, BUSY)
    }

    /// It has not come for so long: that is said every ten minutes.
    pub(super) fn tell(&self, since: Duration, says: &str) {
        if self.is_due(since) {
            self.warn(since, says);
        }
    }

    fn warn(&self, since: Duration, says: &str) {
        let (connector, attempt, minutes) = (&self.connector, &self.attempt, since.as_secs() / 60);
        let stands = self.stands.unwrap_or("it is not as it was before");
        if self.back {
            tracing::warn!(%connector, %attempt, "what was changed could not be put back for {minutes} min, and is as soon as it can be; {stands}: {says}");
        } else {
            tracing::warn!(%connector, %attempt, "waited for {minutes} min; {stands}: {says}");
        }
    }

    fn is_due(&self, since: Duration) -> bool {
        let times = since.as_secs() / TELL.as_secs();
        self.told.fetch_max(times, Ordering::SeqCst) < times
    }
}

/// Since the first of the times in a row that the last step was written down and not sent.
fn refused_for(attempt: &Attempt) -> Option<Duration> {
    let (last, before) = attempt.taken.split_last()?;
    let in_a_row = before.iter().rev().take_while(|taken| {
        taken.step == last.step && matches!(taken.outcome, Some((Outcome::NotSent { .. }, _)))
    });
    let first = in_a_row.last()?;
    u64::try_from(last.at_ms.saturating_sub(first.at_ms)).ok().map(Duration::from_millis)
}

/// How the connector stands, as far as the steps tell, where this attempt has stopped it.
pub(super) fn stands(attempt: &Attempt) -> Option<&'static str> {
    let mut known = attempt.clone();
    // A start that is still to come has changed nothing.
    while known.taken.last().is_some_and(|last| starts(&last.step) && last.outcome.is_none()) {
        known.taken.pop();
    }
    if known.leaves_it_stopped() {
        let unsure = attempt.taken.len() > known.taken.len();
        if attempt.plan.steps.contains(&Step::StopWorker) {
            return Some(if unsure { "its worker is DOWN as far as is known" } else { "its worker is DOWN" });
        }
        return Some(if unsure { "it stands STOPPED as far as is known" } else { "it stands STOPPED" });
    }
    let last = known.taken.iter().rev().find(|taken| starts(&taken.step) && taken.acted)?;
    let failed = matches!(last.outcome, Some((Outcome::Failed { .. }, _)));
    let before = attempt.plan.expects.state != ConnectorState::Stopped;
    (failed && before).then_some("it may stand STOPPED")
}

/// How a connector stands in the middle of an attempt, for people.
#[must_use]
pub fn standing(attempt: &Attempt) -> String {
    let mut changed = Vec::new();
    for step in attempt.put_back() {
        if let Step::Configure { to } = &step {
            let keys: Vec<&str> = to.keys().map(String::as_str).collect();
            changed.push(format!("{} changed", keys.join(" and ")));
        } else if let Step::RestoreOffset { .. } = &step {
            changed.push("its stored offset replaced, or about to be".to_owned());
        } else if let Step::RemoveMarker { namespace } = &step {
            changed.push(format!("a marker in {namespace}"));
        }
    }
    match (stands(attempt), changed.is_empty()) {
        (Some(stands), true) => stands.to_owned(),
        (Some(stands), false) => format!("{stands}, with {}", changed.join(", ")),
        (None, true) => "nothing of it is changed".to_owned(),
        (None, false) => format!("it is left with {}", changed.join(", ")),
    }
}

fn starts(step: &Step) -> bool {
    matches!(step, Step::Resume | Step::Pause | Step::StartWorker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use resumeguard_core::recovery::{
        Actor, Entry, Event, Expects, Fingerprint, Ledger, Loses, Plan, PlanId, Strategy, Trigger, Will,
    };

    pub(super) fn attempt(events: &[Event]) -> Attempt {
        let expects = Expects {
            token: None,
            state: ConnectorState::Running,
            config: Fingerprint::of_text("x"),
            partition: None,
        };
        let plan = Plan {
            id: PlanId(String::new()),
            connector: ConnectorId::new("main", "orders"),
            strategy: Strategy::Salvage,
            trigger: Trigger::HistoryLost,
            expects,
            steps: vec![Step::Save, Step::Stop, Step::Resume, Step::Verify],
            restores: None,
            loses: Loses::Unknown,
            rescans_bytes: None,
            effects: Vec::new(),
        };
        let (attempt, by) = (AttemptId("a1".into()), Actor::Auto);
        let begun = Event::Begun { attempt, plan: Box::new(plan), by, reason: String::new() };
        let day = |seq: u64| i64::try_from(seq).unwrap() * 86_400_000;
        let entry = |(seq, event): (u64, &Event)| Entry { seq, at_ms: day(seq), event: event.clone() };
        let entries: Vec<Entry> = (1..).zip(std::iter::once(&begun).chain(events)).map(entry).collect();
        Ledger::of(&entries).attempts.remove(0)
    }

    fn intent(phase: Phase, step: Step) -> Event {
        Event::Intent {
            attempt: AttemptId("a1".into()),
            phase,
            index: 1,
            round: 0,
            step,
            will: Will::default(),
        }
    }

    fn ends(outcome: Outcome) -> Event {
        Event::Outcome { attempt: AttemptId("a1".into()), outcome, untouched: false }
    }

    #[test]
    fn how_a_connector_stands_is_told_by_the_steps() {
        let done = || ends(Outcome::Done { says: String::new(), reached: None });
        let failed = || ends(Outcome::Failed { says: String::new() });
        let (stop, back) = ([intent(Phase::Forward, Step::Stop), done()], intent(Phase::Back, Step::Resume));
        let told = |more: &[Event]| stands(&attempt(&[&stop[..], more].concat()));
        assert_eq!(stands(&attempt(&[])), None);
        assert_eq!(told(&[]), Some("it stands STOPPED"));
        assert_eq!(told(std::slice::from_ref(&back)), Some("it stands STOPPED as far as is known"));
        let held = ends(Outcome::NotSent { says: String::new() });
        assert_eq!(told(&[back.clone(), held]), Some("it stands STOPPED"));
        assert_eq!(told(&[back.clone(), failed()]), Some("it may stand STOPPED"));
        assert_eq!(told(&[back, done()]), None);
    }

    #[test]
    fn on_the_way_back_it_is_waited_for_days_and_said_every_ten_minutes() {
        let attempt = attempt(&[intent(Phase::Forward, Step::Stop)]);
        let (on, back) = (Away::new(&attempt, Phase::Forward), Away::new(&attempt, Phase::Back));
        assert_eq!((on.unread(), on.no_primary()), (Duration::from_secs(600), Duration::ZERO));
        assert!(back.unread() > Duration::from_secs(2 * 86_400));
        let line = || "409".to_owned();
        assert_eq!((on.not_now(line()), back.not_now(line())), (Sent::NotNow(line()), Sent::NotNow(line())));
        assert_eq!(on.pause(), SHORTEST_PAUSE);
        let said = (0..3_600).filter(|second| back.is_due(Duration::from_secs(*second))).collect::<Vec<_>>();
        assert_eq!(said, [600, 1_200, 1_800, 2_400, 3_000]);
    }
    /// Each entry of these is a day after the one before.
    #[test]
    fn who_refuses_for_a_week_on_the_way_back_is_given_up() {
        let held = || ends(Outcome::NotSent { says: "409".into() });
        let back = || intent(Phase::Back, Step::Resume);
        let after = |times: usize| {
            let stop = intent(Phase::Forward, Step::Stop);
            let again = std::iter::repeat_with(|| [back(), held()]).take(times).flatten();
            let events: Vec<Event> = std::iter::once(stop).chain(again).chain([back()]).collect();
            Away::new(&attempt(&events), Phase::Back).not_now("409".to_owned())
        };
        assert_eq!(after(0), Sent::NotNow("409".into()));
        assert_eq!(after(3), Sent::NotNow("409".into()));
        assert_eq!(after(4), Sent::Refused("409".into()));
        // On the way on, minutes are enough.
        let held = ends(Outcome::NotSent { says: "409".into() });
        let again = [intent(Phase::Forward, Step::Stop), held, intent(Phase::Forward, Step::Stop)];
        let away = Away::new(&attempt(&again), Phase::Forward);
        assert_eq!(away.not_now("409".to_owned()), Sent::Refused("409".into()));
        assert_eq!(away.pause(), BUSY);
    }
}
