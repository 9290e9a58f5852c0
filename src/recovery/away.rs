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

const STOPPED: &str = "it stands STOPPED";
const PAUSED: &str = "it stands PAUSED";

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

/// How the connector stands, as far as the steps tell, where this attempt has stopped it, or paused it instead.
pub(super) fn stands(attempt: &Attempt) -> Option<&'static str> {
    let mut known = attempt.clone();
    // Where it is paused instead of stopped, that is no start.
    let starts = |step: &Step| starts(step) && !(*step == Step::Pause && attempt.by_topic_unstopped());
    // A start that is still to come has changed nothing.
    while known.taken.last().is_some_and(|last| starts(&last.step) && last.outcome.is_none()) {
        known.taken.pop();
    }
    let unsure = attempt.taken.len() > known.taken.len();
    // Before Connect 3.5 nothing can be stopped.
    let [surely, as_known, maybe] = if attempt.plan.steps.contains(&Step::StopWorker) {
        ["its worker is DOWN", "its worker is DOWN as far as is known", "it may stand STOPPED"]
    } else if attempt.by_topic_unstopped() {
        [PAUSED, "it stands PAUSED as far as is known", "it may stand PAUSED"]
    } else {
        [STOPPED, "it stands STOPPED as far as is known", "it may stand STOPPED"]
    };
    if known.leaves_it_stopped() {
        return Some(if unsure { as_known } else { surely });
    }
    let last = known.taken.iter().rev().find(|taken| starts(&taken.step) && taken.acted)?;
    let failed = matches!(last.outcome, Some((Outcome::Failed { .. }, _)));
    let before = attempt.plan.expects.state != ConnectorState::Stopped;
    (failed && before).then_some(maybe)
}

/// The same once its state was asked for, where there was an answer; `None` where it does not stand by us.
pub(super) fn shown(
    attempt: &Attempt,
    seen: Option<Result<Option<ConnectorState>, String>>,
) -> Option<&'static str> {
    let told = stands(attempt)?;
    let stood = attempt.plan.expects.state;
    match seen {
        None | Some(Err(_)) => Some(told),
        Some(Ok(Some(ConnectorState::Stopped))) => Some(STOPPED),
        // Where it was stopped, only a person can have paused it.
        Some(Ok(Some(ConnectorState::Paused)))
            if attempt.by_topic_unstopped() && stood != ConnectorState::Paused =>
        {
            Some(PAUSED)
        }
        Some(Ok(_)) => None,
    }
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
        let steps = vec![Step::Save, Step::Stop, Step::Resume, Step::Verify];
        attempt_at(ConnectorState::Running, steps, events)
    }

    /// Before Connect 3.5.
    fn pausing(state: ConnectorState, events: &[Event]) -> Attempt {
        let steps = vec![Step::Save, Step::Pause, Step::AwaitStill, Step::Restart, Step::Resume];
        attempt_at(state, steps, events)
    }

    fn attempt_at(state: ConnectorState, steps: Vec<Step>, events: &[Event]) -> Attempt {
        let expects = Expects { token: None, state, config: Fingerprint::of_text("x"), partition: None };
        let plan = Plan {
            id: PlanId(String::new()),
            connector: ConnectorId::new("main", "orders"),
            strategy: Strategy::Salvage,
            trigger: Trigger::HistoryLost,
            expects,
            steps,
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

    /// Before Connect 3.5 it is paused and not stopped, and the resume on the way back may be refused.
    #[test]
    fn what_was_paused_instead_of_stopped_is_said_to_be_paused() {
        use ConnectorState::{Paused, Running, Stopped, Unassigned};
        let done = || ends(Outcome::Done { says: String::new(), reached: None });
        let failed = |untouched| Event::Outcome {
            attempt: AttemptId("a1".into()),
            outcome: Outcome::Failed { says: String::new() },
            untouched,
        };
        let (pause, back) =
            ([intent(Phase::Forward, Step::Pause), done()], intent(Phase::Back, Step::Resume));
        let told = |more: &[Event]| pausing(Running, &[&pause[..], more].concat());
        let refused = told(&[back.clone(), failed(true)]);
        assert_eq!(stands(&told(&[])), Some("it stands PAUSED"));
        assert_eq!(stands(&pausing(Running, &pause[..1])), Some("it stands PAUSED"), "asked for, at least");
        assert_eq!(stands(&told(std::slice::from_ref(&back))), Some("it stands PAUSED as far as is known"));
        assert_eq!(stands(&refused), Some("it stands PAUSED"));
        assert_eq!(stands(&told(&[back.clone(), failed(false)])), Some("it may stand PAUSED"));
        assert_eq!(stands(&told(&[back, done()])), None);
        assert!(standing(&refused).starts_with("it stands PAUSED"), "{}", standing(&refused));
        // What it shows decides.
        let seen = |attempt: &Attempt, state| shown(attempt, Some(Ok(Some(state))));
        assert_eq!(seen(&refused, Paused), Some("it stands PAUSED"));
        assert_eq!(seen(&refused, Running), None);
        assert_eq!(seen(&refused, Unassigned), None);
        assert_eq!(
            (shown(&refused, None), shown(&refused, Some(Ok(None)))),
            (Some("it stands PAUSED"), None)
        );
        assert_eq!(shown(&refused, Some(Err("away".into()))), Some("it stands PAUSED"));
        // One that a person had paused is as it was.
        for more in [vec![], vec![done()], vec![failed(false)]] {
            let before = pausing(Paused, &[vec![intent(Phase::Forward, Step::Pause)], more].concat());
            assert_eq!((stands(&before), seen(&before, Paused)), (None, None));
        }
        // Where it was stopped, only a person can have paused it.
        let stopped = attempt(&[intent(Phase::Forward, Step::Stop), done()]);
        assert_eq!((seen(&stopped, Stopped), seen(&stopped, Paused)), (Some("it stands STOPPED"), None));
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
