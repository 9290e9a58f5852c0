//! How the server's own answer enters a judgement: it confirms a loss, it speaks where no oplog can be read, and it never
//! makes a connector `safe` unless a margin was proven.

use super::judge::Judgement;
use super::restart::{after_a_refusal, from_an_end};
use super::thresholds::Thresholds;
use crate::domain::{
    Basis, ConnectorFacts, ConnectorReport, Facts, FailureClass, FirstEntry, OnRestart, Position, Probe,
    ProbeAnswer, Verdict, Why,
};
use std::time::Duration;

/// Time from one question for a connector to the next, at the least.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Answers older than this many pauses between two questions are unknown (J6).
const STALE_PAUSES: u32 = 3;

/// When a connector's server should be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Arithmetic says lost: once for each stored token, as what is gone from an oplog does not come back.
    ToConfirm,
    /// Nothing else can tell: again and again.
    ToKnow,
}

/// Whether a judgement is one that the server should be asked about. One that stands by itself never is.
#[must_use]
pub fn ask(report: &ConnectorReport) -> Option<Ask> {
    match (report.verdict, report.basis) {
        (_, Some(Basis::Probe)) => Some(Ask::ToKnow),
        (Verdict::Lost, _) => Some(Ask::ToConfirm),
        (Verdict::Unknown(why), _) if only_the_server_knows(why) => Some(Ask::ToKnow),
        (Verdict::Safe | Verdict::AtRisk | Verdict::Critical | Verdict::Unknown(_), _) => None,
    }
}

/// Reasons that more reading does not take away. What the next pass may clear up is left to it.
fn only_the_server_knows(why: Why) -> bool {
    no_oplog(why) || matches!(why, Why::TokenIncomplete | Why::Contradictory)
}

/// No pass will read this oplog.
fn no_oplog(why: Why) -> bool {
    matches!(why, Why::OplogUnauthorized | Why::Sharded)
}

/// The answer, where it is recent.
pub(super) fn recent(connector: &ConnectorFacts, facts: &Facts) -> Option<Probe> {
    let pause = ASK_AGAIN_AFTER.max(facts.interval);
    connector.probe.filter(|probe| probe.age <= pause * STALE_PAUSES)
}

/// A position that is in no oplog that could be read: only the answer tells.
pub(super) fn instead_of_the_oplog(
    why: Why,
    position: &Position,
    connector: &ConnectorFacts,
    facts: &Facts,
    thresholds: &Thresholds,
) -> Judgement {
    let unknown = Judgement::unknown(why, OnRestart::Unknown);
    let Some(probe) = recent(connector, facts).filter(|_| no_oplog(why)) else { return unknown };
    let known =
        |verdict, on_restart| Judgement { verdict, on_restart, ..unknown.clone() }.standing_on(Basis::Probe);
    let ends = connector.settings.ends_at(position.ends);
    match probe.answer {
        // The server resumes after a drop and delivers the invalidate that ends the stream: accepted is not well.
        ProbeAnswer::Resumes | ProbeAnswer::NotContradicted if ends => {
            known(Verdict::Critical, from_an_end(connector, None))
        }
        ProbeAnswer::Resumes => {
            known(with_margin(probe.margin_seconds, connector, thresholds), OnRestart::Resumes)
        }
        ProbeAnswer::Refused(failure) if failure.class == FailureClass::HistoryLost => {
            // Read in an earlier pass: the connector may have moved on since.
            if connector.offset_age.is_zero() {
                known(Verdict::Lost, after_a_refusal(failure, connector, None).unwrap_or(OnRestart::Unknown))
            } else {
                unknown
            }
        }
        ProbeAnswer::Refused(failure) => after_a_refusal(failure, connector, None)
            .map_or(unknown.clone(), |on_restart| known(Verdict::Critical, on_restart)),
        ProbeAnswer::NotContradicted | ProbeAnswer::Unauthorized | ProbeAnswer::Inconclusive => unknown,
    }
}

/// It resumes now, and without the oplog's bounds nobody knows for how long: that is no more than "for a while", unless
/// the headroom is proven to exceed the limit, which is the smaller of a time and a share of the window.
fn with_margin(margin: Option<i64>, connector: &ConnectorFacts, thresholds: &Thresholds) -> Verdict {
    let enough = thresholds.levels_for(&connector.id).at_risk_seconds;
    match margin.and_then(|seconds| u32::try_from(seconds).ok()) {
        Some(seconds) if f64::from(seconds) >= enough => Verdict::Safe,
        _ => Verdict::AtRisk,
    }
}

/// A position that was compared with an oplog: the answer may contradict what follows from that.
pub(super) fn beside_the_oplog(
    judgement: Judgement,
    connector: &ConnectorFacts,
    facts: &Facts,
    floor: Option<FirstEntry>,
) -> Judgement {
    let Some(probe) = recent(connector, facts) else { return judgement };
    let contradictory = || Judgement::unknown(Why::Contradictory, OnRestart::Unknown);
    match (judgement.verdict, probe.answer) {
        (Verdict::Lost, ProbeAnswer::Resumes) => contradictory(),
        // Accepted means that the history is there; where nothing was ever truncated that was never the question.
        (Verdict::Lost, ProbeAnswer::NotContradicted) if !judgement.never_truncated => contradictory(),
        (_, ProbeAnswer::Refused(failure)) if judgement.on_restart == OnRestart::Resumes => {
            if failure.class == FailureClass::HistoryLost {
                return contradictory();
            }
            // Inside the window is necessary, not sufficient.
            match after_a_refusal(failure, connector, floor) {
                Some(on_restart) => Judgement { verdict: Verdict::Critical, on_restart, ..judgement }
                    .standing_on(Basis::Probe),
                None => judgement,
            }
        }
        _ => judgement,
    }
}

/// The task has failed for lost history, and its position is in the oplog: it may have failed at another one, or know
/// more than we do. The server's answer to this very token decides.
pub(super) fn between_failure_and_oplog(
    judgement: Judgement,
    connector: &ConnectorFacts,
    facts: &Facts,
    floor: Option<FirstEntry>,
) -> Judgement {
    let unknown = Judgement::unknown(Why::Contradictory, OnRestart::Unknown);
    match recent(connector, facts).map(|probe| probe.answer) {
        Some(ProbeAnswer::Resumes) => judgement.standing_on(Basis::Probe),
        // Read in an earlier pass: it may have moved on since.
        Some(ProbeAnswer::Refused(failure))
            if failure.class == FailureClass::HistoryLost && connector.offset_age.is_zero() =>
        {
            let on_restart = after_a_refusal(failure, connector, floor).unwrap_or(OnRestart::Unknown);
            Judgement { verdict: Verdict::Lost, on_restart, ..unknown }.standing_on(Basis::Probe)
        }
        _ => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use crate::domain::*;

    fn answered(answer: ProbeAnswer) -> Option<Probe> {
        Some(Probe { answer, age: Duration::ZERO, margin_seconds: None })
    }

    /// A connector whose oplog may not be read, and what the server said.
    fn unread(why: Why, probe: Option<Probe>) -> Facts {
        let mut connector = connector(token(FIRST, 0));
        connector.probe = probe;
        let mut facts = facts(connector, vec![]);
        facts
            .deployments
            .insert("rs0".into(), DeploymentFacts { members: Err(why), collections: Collections::new() });
        facts
    }

    #[track_caller]
    fn by_probe(facts: &Facts, verdict: Verdict, on_restart: OnRestart) {
        let report = check(facts, verdict, on_restart);
        assert_eq!((report.basis, report.headroom_seconds), (Some(Basis::Probe), None));
        assert_eq!(ask(&report), Some(Ask::ToKnow), "an answer ages");
    }

    #[test]
    fn without_an_oplog_the_answer_speaks_and_is_never_safe_without_a_proven_margin() {
        for why in [Why::OplogUnauthorized, Why::Sharded] {
            let judge = |answer| unread(why, answered(answer));
            by_probe(&judge(ProbeAnswer::Resumes), Verdict::AtRisk, OnRestart::Resumes);
            by_probe(&judge(ProbeAnswer::of_code(286)), Verdict::Lost, OnRestart::Fails);
            by_probe(&judge(ProbeAnswer::of_code(280)), Verdict::Critical, OnRestart::Fails);
            by_probe(&judge(ProbeAnswer::of_code(260)), Verdict::Critical, OnRestart::Skips);
            by_probe(&judge(ProbeAnswer::of_code(50811)), Verdict::Critical, OnRestart::Stalls);
            by_probe(&judge(ProbeAnswer::of_code(10334)), Verdict::Critical, OnRestart::Fails);
            for nothing in
                [ProbeAnswer::NotContradicted, ProbeAnswer::Unauthorized, ProbeAnswer::Inconclusive]
            {
                let report = check(&judge(nothing), Verdict::Unknown(why), OnRestart::Unknown);
                assert_eq!(report.basis, None);
                assert_eq!(ask(&report), Some(Ask::ToKnow));
            }
            check(&unread(why, None), Verdict::Unknown(why), OnRestart::Unknown);
        }
    }

    /// What `serverStatus` tells proves that a position is held; that it is lost the server itself must say.
    #[test]
    fn by_server_status_a_position_is_held_and_none_is_lost_without_the_servers_word() {
        let judge = |before: u32, probe| {
            let mut connector = connector(token(FIRST - before, 1));
            connector.probe = probe;
            let member = MemberFacts { by_status: true, ..member("a:1", Role::Primary, FIRST) };
            facts(connector, vec![member])
        };
        let report = check(&judge(1, None), Verdict::Unknown(Why::OplogUnauthorized), OnRestart::Unknown);
        assert_eq!(ask(&report), Some(Ask::ToKnow));
        by_probe(&judge(1, answered(ProbeAnswer::of_code(286))), Verdict::Lost, OnRestart::Fails);
        let mut held = judge(1, None);
        held.connectors[0].offset = token(FIRST + 60_000, 1);
        assert_eq!(one(&held).basis, Some(Basis::Window));
    }

    #[test]
    fn a_proven_margin_of_the_limit_is_safe_and_a_second_less_is_not() {
        let judge = |margin_seconds| {
            let probe =
                Probe { margin_seconds: Some(margin_seconds), ..answered(ProbeAnswer::Resumes).unwrap() };
            unread(Why::Sharded, Some(probe))
        };
        by_probe(&judge(12 * 3600), Verdict::Safe, OnRestart::Resumes);
        by_probe(&judge(12 * 3600 - 1), Verdict::AtRisk, OnRestart::Resumes);
    }

    /// Every reason but the two that no pass takes away stays unknown, whatever the server says.
    #[test]
    fn an_answer_replaces_no_reading_that_the_next_pass_may_bring() {
        for why in Why::ALL.into_iter().filter(|why| !no_oplog(*why)) {
            for answer in [ProbeAnswer::Resumes, ProbeAnswer::of_code(286), ProbeAnswer::of_code(280)] {
                let report = one(&unread(why, answered(answer)));
                assert!(matches!(report.verdict, Verdict::Unknown(_)), "{why}: {:?}", report.verdict);
            }
        }
    }

    /// A reading that the next pass may bring is not asked for.
    #[test]
    fn what_only_the_server_knows_is_asked() {
        for why in Why::ALL {
            let report = one(&unread(why, None));
            assert_eq!(report.verdict, Verdict::Unknown(why));
            let asks = [Why::OplogUnauthorized, Why::Sharded, Why::TokenIncomplete, Why::Contradictory]
                .contains(&why);
            assert_eq!(ask(&report), asks.then_some(Ask::ToKnow), "{why}");
        }
    }

    /// A key that nobody may be writing any more is not judged, whatever the server says of what stands under it.
    #[test]
    fn an_answer_does_not_replace_the_wait_for_an_inferred_key() {
        let mut facts = unread(Why::Sharded, answered(ProbeAnswer::Resumes));
        facts.connectors[0].key = Some(LiveKey::Inferred);
        check(&facts, Verdict::Unknown(Why::Sharded), OnRestart::Unknown);
    }

    #[test]
    fn j6_an_old_answer_and_an_old_position_are_unknown() {
        let aged = |seconds| {
            let probe =
                Probe { age: Duration::from_secs(seconds), ..answered(ProbeAnswer::Resumes).unwrap() };
            unread(Why::OplogUnauthorized, Some(probe))
        };
        by_probe(&aged(180), Verdict::AtRisk, OnRestart::Resumes);
        check(&aged(181), Verdict::Unknown(Why::OplogUnauthorized), OnRestart::Unknown);
        let mut stale = unread(Why::OplogUnauthorized, answered(ProbeAnswer::of_code(286)));
        stale.connectors[0].offset_age = Duration::from_secs(15);
        check(&stale, Verdict::Unknown(Why::OplogUnauthorized), OnRestart::Unknown);
    }

    #[test]
    fn accepted_is_not_well_where_the_stream_ends_at_the_token() {
        let mut facts = unread(Why::Sharded, answered(ProbeAnswer::Resumes));
        let Ok(StoredOffset::Token(position)) = &mut facts.connectors[0].offset else { panic!("a token") };
        position.ends = StreamEnd::Every;
        by_probe(&facts, Verdict::Critical, OnRestart::Skips);
    }

    #[test]
    fn a_loss_is_confirmed_or_contradicted() {
        let judge = |answer: Option<ProbeAnswer>| {
            let mut connector = connector(token(FIRST - 1, 0));
            connector.probe = answer.and_then(answered);
            facts(connector, replica_set())
        };
        let lost = check(&judge(None), Verdict::Lost, OnRestart::Fails);
        assert_eq!((lost.basis, ask(&lost)), (Some(Basis::Window), Some(Ask::ToConfirm)));
        for same in [ProbeAnswer::of_code(286), ProbeAnswer::Unauthorized, ProbeAnswer::Inconclusive] {
            let report = check(&judge(Some(same)), Verdict::Lost, OnRestart::Fails);
            assert_eq!((report.basis, report.headroom_seconds), (Some(Basis::Window), Some(-1)));
        }
        for other in [ProbeAnswer::Resumes, ProbeAnswer::NotContradicted] {
            let report = check(&judge(Some(other)), Verdict::Unknown(Why::Contradictory), OnRestart::Unknown);
            assert_eq!((report.headroom_seconds, ask(&report)), (None, Some(Ask::ToKnow)));
        }
        // A token older than an oplog that was never truncated is accepted until a later event shows that it is foreign.
        let mut foreign = judge(Some(ProbeAnswer::NotContradicted));
        let members = foreign.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap();
        members[0].first = Ok(FirstEntry { time: Timestamp { t: FIRST, i: 5 }, initiating: true });
        check(&foreign, Verdict::Lost, OnRestart::Fails);
    }

    #[test]
    fn a_confirmed_loss_says_so() {
        let mut connector = connector(token(FIRST - 1, 0));
        connector.probe = answered(ProbeAnswer::of_code(286));
        let facts = facts(connector, replica_set());
        let (_, memory) = pass(&crate::assess::Memory::default(), &facts, 0);
        let (report, _) = pass(&memory, &facts, 60);
        let finding = report.findings.iter().find(|finding| finding.rule == "RG001").unwrap();
        assert!(finding.summary.contains("refuses the token with 286"), "{}", finding.summary);
    }

    #[test]
    fn inside_the_window_a_refusal_outweighs_arithmetic() {
        let judge = |answer| {
            let mut connector = connector(token(FIRST + 90_000, 0));
            connector.probe = answered(answer);
            facts(connector, replica_set())
        };
        let well = check(&judge(ProbeAnswer::Resumes), Verdict::Safe, OnRestart::Resumes);
        assert_eq!(
            (well.basis, ask(&well)),
            (Some(Basis::Window), None),
            "a healthy connector is never asked about"
        );
        let refused = check(&judge(ProbeAnswer::of_code(280)), Verdict::Critical, OnRestart::Fails);
        assert_eq!((refused.basis, refused.headroom_seconds), (Some(Basis::Probe), Some(90_000)));
        assert!(rules(&refused).contains(&"RG017"), "{:?}", refused.findings);
        let large = check(&judge(ProbeAnswer::of_code(10334)), Verdict::Critical, OnRestart::Fails);
        assert!(rules(&large).contains(&"RG018"), "{:?}", large.findings);
        check(&judge(ProbeAnswer::of_code(286)), Verdict::Unknown(Why::Contradictory), OnRestart::Unknown);
    }

    #[test]
    fn a_failure_inside_the_window_is_settled_by_the_answer() {
        let judge = |code, answer: Option<ProbeAnswer>, age| {
            let mut connector = connector(token(FIRST + 90_000, 0));
            connector.tasks = failed(Some(code), FailureClass::HistoryLost);
            connector.probe = answer.and_then(answered);
            connector.offset_age = Duration::from_secs(age);
            facts(connector, replica_set())
        };
        for code in [286, 136] {
            let unknown = Verdict::Unknown(Why::Contradictory);
            let asked = check(&judge(code, None, 0), unknown, OnRestart::Unknown);
            assert_eq!(ask(&asked), Some(Ask::ToKnow));
            let resumes = Some(ProbeAnswer::Resumes);
            let well = check(&judge(code, resumes, 0), Verdict::Safe, OnRestart::Resumes);
            assert_eq!((well.basis, well.headroom_seconds), (Some(Basis::Probe), Some(90_000)));
            let refused = Some(ProbeAnswer::of_code(286));
            let lost = check(&judge(code, refused, 0), Verdict::Lost, OnRestart::Fails);
            assert_eq!((lost.basis, lost.headroom_seconds), (Some(Basis::Probe), None));
            check(&judge(code, refused, 15), unknown, OnRestart::Unknown);
            for nothing in
                [ProbeAnswer::NotContradicted, ProbeAnswer::Unauthorized, ProbeAnswer::of_code(280)]
            {
                check(&judge(code, Some(nothing), 0), unknown, OnRestart::Unknown);
            }
        }
    }

    #[test]
    fn type_bits_that_are_missing_leave_it_to_the_server() {
        let judge = |answer: Option<ProbeAnswer>| {
            let mut connector = connector(token(FIRST + 90_000, 0));
            let Ok(StoredOffset::Token(position)) = &mut connector.offset else { panic!("a token") };
            position.type_bits_missing = true;
            connector.probe = answer.and_then(answered);
            facts(connector, replica_set())
        };
        let unknown = Verdict::Unknown(Why::TokenIncomplete);
        assert_eq!(ask(&check(&judge(None), unknown, OnRestart::Unknown)), Some(Ask::ToKnow));
        check(&judge(Some(ProbeAnswer::NotContradicted)), unknown, OnRestart::Unknown);
        let well = check(&judge(Some(ProbeAnswer::Resumes)), Verdict::Safe, OnRestart::Resumes);
        assert_eq!((well.basis, well.headroom_seconds), (Some(Basis::Probe), Some(90_000)));
        for (code, on_restart) in
            [(280, OnRestart::Fails), (50810, OnRestart::Stalls), (260, OnRestart::Skips)]
        {
            let report = check(&judge(Some(ProbeAnswer::of_code(code))), Verdict::Critical, on_restart);
            assert_eq!((report.basis, report.headroom_seconds), (Some(Basis::Probe), Some(90_000)));
        }
        check(&judge(Some(ProbeAnswer::of_code(286))), unknown, OnRestart::Unknown);
    }
}
