//! What is forgotten changes nothing that is decided.

use super::*;
use crate::recovery::{LEAST_KEPT_MS, Lost, Outcome, Strategy, Tally, forgettable};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use std::sync::LazyLock;

const MINUTE: i64 = 60_000;

/// One attempt, or a person's word: which connector, what, how long after the one before.
type Happened = (usize, usize, i64);

fn connector(number: usize) -> ConnectorId {
    ConnectorId::new("main", ["orders", "billing"][number % 2])
}

fn plan(number: usize, strategy: Strategy, token: usize, steps: Vec<Step>) -> Plan {
    let stored = StoredToken { time: None, text: Fingerprint::of_text(&token.to_string()) };
    static TEMPLATE: LazyLock<Plan> = LazyLock::new(|| Scene::lost().plan());
    let template = TEMPLATE.clone();
    let expects = Expects { token: Some(stored), ..template.expects.clone() };
    Plan { connector: connector(number), strategy, steps, expects, ..template }
}

fn removal() -> Step {
    Step::RemoveOffset { partition: NS.into() }
}

/// A journal in which all that happened.
fn journal(happened: &[Happened]) -> Vec<Entry> {
    let (mut entries, mut at_ms) = (Vec::new(), 0);
    let push = |entries: &mut Vec<Entry>, at_ms, event| {
        entries.push(Entry { seq: entries.len() as u64 + 1, at_ms, event });
    };
    push(&mut entries, 0, Event::Opened);
    for (number, (which, what, wait)) in happened.iter().enumerate() {
        at_ms += wait * MINUTE;
        let by = || Actor::Person("uid 0".into());
        if *what == 0 {
            let event = Event::Acknowledged { connector: connector(*which), by: by(), reason: String::new() };
            push(&mut entries, at_ms, event);
            continue;
        }
        let strategy = [Strategy::Salvage, Strategy::Restart, Strategy::ResetOffsets][what % 3];
        let attempt = AttemptId(format!("a{number}"));
        let steps = if strategy == Strategy::ResetOffsets { vec![removal()] } else { vec![Step::Stop] };
        let step = steps[0].clone();
        let mut begun = plan(*which, strategy, what / 2, steps);
        // Some restore what was done before.
        begun.restores = (*what == 7 && number > 0).then(|| AttemptId(format!("a{}", number - 1)));
        let begun =
            Event::Begun { attempt: attempt.clone(), plan: Box::new(begun), by: by(), reason: String::new() };
        let (phase, index, round, will) = (Phase::Forward, 0, 0, Will::default());
        let intent = Event::Intent { attempt: attempt.clone(), phase, index, round, step, will };
        push(&mut entries, at_ms, begun);
        push(&mut entries, at_ms, intent);
        let ended = [Ended::Recovered, Ended::NotNeeded, Ended::PutBack, Ended::NeedsPerson];
        if let Some(ended) = ended.get(what % 5) {
            let outcome = Outcome::Done { says: String::new(), reached: None };
            push(&mut entries, at_ms, Event::Outcome { attempt: attempt.clone(), outcome, untouched: false });
            let lost = if *what > 8 { Lost::Nothing } else { Lost::Unknown };
            push(&mut entries, at_ms, Event::Ended { attempt, ended: *ended, says: String::new(), lost });
        }
    }
    entries
}

/// The same without what is forgotten, and with the word that it is.
fn without(entries: &[Entry], before_ms: i64, enough: usize) -> Vec<Entry> {
    let Some((event, gone)) = forgettable(entries, before_ms, enough) else { return entries.to_vec() };
    let mut left: Vec<Entry> = entries.iter().filter(|entry| !gone.contains(&entry.seq)).cloned().collect();
    let (seq, at_ms) = (entries.len() as u64 + 1, entries.last().map_or(0, |entry| entry.at_ms));
    left.push(Entry { seq, at_ms, event });
    left
}

/// Everything that is decided from a ledger.
fn answers(ledger: &Ledger, now_ms: i64) -> impl PartialEq + std::fmt::Debug + use<> {
    let policies = Policies::default();
    let blockers: Vec<_> = (0..2)
        .flat_map(|number| (0..6).map(move |token| (number, token)))
        .flat_map(|(number, token)| {
            [Strategy::Salvage, Strategy::Restart, Strategy::ResetOffsets].map(|strategy| {
                let plan = plan(number, strategy, token, vec![removal()]);
                blockers_of_history(&plan, ledger, &policies, now_ms)
            })
        })
        .collect();
    let failures: Vec<_> = (0..2).map(|number| ledger.failures(&connector(number))).collect();
    let tallies = Strategy::ALL.map(|strategy| ledger.tally(strategy));
    let open: Vec<_> = ledger.open_attempts().cloned().collect();
    let kept = (ledger.acknowledged.clone(), ledger.opened_ms, ledger.last_success_ms());
    (blockers, failures, tallies, open, kept)
}

fn happened() -> impl proptest::strategy::Strategy<Value = Vec<Happened>> {
    let one = (0_usize..2, 0_usize..12, 0_i64..90);
    proptest::collection::vec(one, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 2))]

    #[test]
    fn nothing_that_is_decided_depends_on_it(happened in happened(), share in 0_i64..=100, enough in 0_usize..60) {
        let entries = journal(&happened);
        let last_ms = entries.last().map_or(0, |entry| entry.at_ms);
        // Waits are of the last day and hour: what is forgotten is older.
        let (before_ms, now_ms) = (last_ms * share / 100, last_ms + 25 * 60 * MINUTE);
        let left = without(&entries, before_ms, enough);
        let (all, rest) = (Ledger::of(&entries), Ledger::of(&left));
        prop_assert_eq!(answers(&all, now_ms), answers(&rest, now_ms));
        prop_assert!(rest.attempts.len() <= all.attempts.len());
        let known = |attempt: &Attempt| all.attempt(&attempt.id) == Some(attempt);
        prop_assert!(rest.attempts.iter().all(known), "what stays is as it was");
        // Once more, nothing else is found where everything could be taken before.
        if enough > entries.len() {
            let again = without(&left, before_ms, enough);
            let freed = Ledger::of(&again);
            prop_assert_eq!(answers(&all, now_ms), answers(&freed, now_ms));
        }
    }
}

#[test]
fn what_was_superseded_long_ago_goes_and_the_rest_stays() {
    // Salvage: recovered twice, put back twice; billing is another story.
    let entries = journal(&[(0, 15, 60), (0, 15, 60), (1, 12, 60), (0, 12, 60), (0, 12, 60)]);
    let ended = |ledger: &Ledger| {
        ledger.attempts.iter().map(|attempt| attempt.ended.as_ref().unwrap().0.code()).collect::<Vec<_>>()
    };
    assert_eq!(ended(&Ledger::of(&entries)), ["recovered", "recovered", "put_back", "put_back", "put_back"]);
    let left = Ledger::of(&without(&entries, i64::MAX, usize::MAX));
    assert_eq!(ended(&left), ["recovered", "put_back", "put_back", "put_back"], "the latch counts on");
    assert_eq!(left.failures(&connector(0)), 2);
    assert_eq!(left.forgotten[&Strategy::Salvage], Tally { attempts: 1, failures: 0 });
    assert_eq!(left.tally(Strategy::Salvage), Tally { attempts: 5, failures: 3 });
    assert_eq!(forgettable(&entries, 61 * MINUTE, usize::MAX).unwrap().1, [2, 3, 4, 5]);
    assert_eq!(forgettable(&entries, 60 * MINUTE, usize::MAX), None, "it ended at that moment");
    assert_eq!(forgettable(&entries, i64::MAX, 0), None);
}

#[test]
fn no_more_is_forgotten_than_is_wanted_and_nothing_that_is_restored() {
    // Each takes four entries: begun, a step, its outcome, ended.
    let entries = journal(&[(0, 15, 60), (0, 15, 60), (0, 15, 60)]);
    let gone = |enough| forgettable(&entries, i64::MAX, enough).unwrap().1;
    assert_eq!(gone(4), [2, 3, 4, 5]);
    assert_eq!(gone(5), [2, 3, 4, 5, 6, 7, 8, 9]);
    // The second puts back what the first has replaced.
    let entries = journal(&[(0, 15, 60), (0, 7, 60), (0, 15, 60)]);
    let left = Ledger::of(&without(&entries, i64::MAX, usize::MAX));
    let left: Vec<_> = left.attempts.iter().map(|attempt| attempt.id.0.as_str()).collect();
    assert_eq!(left, ["a0", "a2"]);
}

/// A cooldown lasts thirty days at the most: what it counts from is known for one more.
#[test]
fn a_month_is_kept_whatever_is_wanted() {
    assert_eq!(LEAST_KEPT_MS, 2_678_400_000);
}

#[test]
fn a_removal_is_never_forgotten() {
    let mut entries = journal(&[(0, 5, 60), (0, 15, 60), (0, 15, 60), (0, 0, 60)]);
    let left = |entries: &[Entry]| {
        let left = Ledger::of(&without(entries, i64::MAX, usize::MAX));
        left.attempts.iter().map(|attempt| attempt.plan.strategy).collect::<Vec<_>>()
    };
    assert_eq!(left(&entries), [Strategy::ResetOffsets], "the others were acknowledged");
    // To give its key another name drops the token as well.
    for entry in &mut entries {
        if let Event::Intent { step: step @ Step::RemoveOffset { .. }, .. } = &mut entry.event {
            let name = ("offset.partition.name".to_owned(), Some("x.1".to_owned()));
            *step = Step::Configure { to: BTreeMap::from([name]) };
        }
    }
    assert_eq!(left(&entries), [Strategy::ResetOffsets]);
}
