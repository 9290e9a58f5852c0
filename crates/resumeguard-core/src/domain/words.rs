//! The words that metrics and JSON carry are a contract: they stand here a second time, so that none changes by accident.

use super::*;
use crate::assess::tests::{connector, facts, failed, one, replica_set, token};

#[test]
fn verdicts_outcomes_and_what_a_position_does() {
    let verdicts =
        [Verdict::Safe, Verdict::AtRisk, Verdict::Critical, Verdict::Lost, Verdict::Unknown(Why::Stale)];
    assert_eq!(verdicts.map(Verdict::code), ["safe", "at_risk", "critical", "lost", "unknown"]);
    assert_eq!(verdicts.map(Verdict::code), Verdict::CODES);
    assert_eq!(
        verdicts.map(Verdict::rank),
        [4, 3, 1, 0, 2],
        "unknown may be anything, so it stands above at_risk"
    );
    assert_eq!(
        OnRestart::ALL.map(OnRestart::code),
        ["resumes", "fails", "skips", "replays", "resnapshots", "stalls", "unknown"]
    );
    use Progress::{Advancing, Idle, Rewound, Stalled, Stopped, Unknown};
    let progress = [Advancing, Idle, Stalled, Stopped, Rewound, Unknown];
    assert_eq!(
        progress.map(Progress::code),
        ["advancing", "idle", "stalled", "stopped", "rewound", "unknown"]
    );
    let severities = [Severity::Info, Severity::Warning, Severity::Critical];
    assert_eq!(severities.map(Severity::code), ["info", "warning", "critical"]);
}

#[test]
fn states_are_read_and_written() {
    let words = ["running", "paused", "stopped", "failed", "unassigned", "restarting"];
    for (state, word) in ConnectorState::ALL.into_iter().zip(words) {
        assert_eq!((state.code(), ConnectorState::parse(&word.to_uppercase())), (word, state));
    }
    assert_eq!(
        (ConnectorState::parse("DESTROYED"), ConnectorState::Other.code()),
        (ConnectorState::Other, "other")
    );
}

#[test]
fn settings_and_losses() {
    assert_eq!([Tolerance::None, Tolerance::All].map(Tolerance::code), ["none", "all"]);
    let modes = [StartupMode::Latest, StartupMode::Timestamp, StartupMode::CopyExisting];
    assert_eq!(modes.map(StartupMode::code), ["latest", "timestamp", "copy_existing"]);
    use LossCause::{Altered, Invalidated, KeyChanged, Reopened, Reset, Tolerated};
    let causes = [Tolerated, Reopened, Invalidated, Reset, KeyChanged, Altered];
    assert_eq!(
        causes.map(LossCause::code),
        ["tolerated", "reopened", "invalidated", "reset", "key_changed", "altered"]
    );
    let sentences = causes.map(LossCause::sentence);
    for (i, sentence) in sentences.iter().enumerate() {
        assert!(sentence.len() > 20 && !sentences[..i].contains(sentence), "{sentence}");
    }
    let outcomes = [Outcome::Lost(Reset), Outcome::MaybeLost, Outcome::Rescued];
    assert_eq!(outcomes.map(Outcome::code), ["history_skipped", "history_maybe_skipped", "rescued"]);
    assert_eq!(outcomes.map(Outcome::cause), [Some(Reset), None, None]);
}

#[test]
fn tokens_members_and_what_a_verdict_stands_on() {
    assert_eq!(
        [TokenKind::Event, TokenKind::HighWaterMark].map(TokenKind::code),
        ["event", "high-water-mark"]
    );
    let roles = [Role::Primary, Role::Secondary, Role::Arbiter, Role::Other];
    assert_eq!(roles.map(Role::code), ["primary", "secondary", "arbiter", "other"]);
    assert_eq!([Basis::Window, Basis::Probe].map(Basis::code), ["window", "probe"]);
}

#[test]
fn every_reason_for_unknown_has_a_sentence_of_its_own() {
    let sentences = Why::ALL.map(Why::sentence);
    for (i, sentence) in sentences.iter().enumerate() {
        assert!(sentence.len() > 20 && !sentences[..i].contains(sentence), "{sentence}");
    }
    assert_eq!(Why::PositionForeign.to_string(), "position_foreign", "it is shown as its word");
}

#[test]
fn a_connector_that_cannot_be_read_keeps_its_name_and_nothing_else_is_known() {
    let probe = Some(Probe { answer: ProbeAnswer::Resumes, age: Default::default(), margin_seconds: None });
    let seen = ConnectorFacts { probe, ..connector(token(1_060_000, 0)) };
    let unreadable = seen.unreadable();
    let why = Why::ConnectUnreadable;
    assert_eq!((unreadable.state, unreadable.offset, unreadable.probe), (Err(why), Err(why), None));
    assert_eq!((unreadable.tasks, unreadable.id, unreadable.settings), (vec![], seen.id, seen.settings));
}

#[test]
fn a_report_says_why_and_whether_anything_failed() {
    let well = one(&facts(connector(token(1_060_000, 0)), replica_set()));
    assert_eq!((well.why(), well.has_failed()), (None, false));
    let broken =
        ConnectorFacts { tasks: failed(None, FailureClass::Other), ..connector(Err(Why::NoPosition)) };
    let broken = one(&facts(broken, replica_set()));
    assert_eq!((broken.why(), broken.has_failed()), (Some(Why::NoPosition), true));
    let own = ConnectorFacts { state: Ok(ConnectorState::Failed), ..connector(Err(Why::NoPosition)) };
    assert!(one(&facts(own, replica_set())).has_failed());
}
