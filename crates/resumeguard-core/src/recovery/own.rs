//! Findings that show what our own recovery does, and who says so: judgement knows of no journal, and would have somebody look for
//! whoever has changed a connector behind everybody's back.

use super::{Attempt, Ended, Ledger, Lost};
use crate::domain::{ConnectorReport, Discontinuity, Finding, LossCause, Outcome, Severity, Snapshot};

/// Has findings name the recovery that they show. What was lost stays lost, and is as severe as it was.
pub fn name_our_own(snapshot: &mut Snapshot, ledger: &Ledger) {
    for report in &mut snapshot.connectors {
        let open = ledger.open_attempts().find(|attempt| attempt.plan.connector == report.id);
        let moved =
            last_loss(report).and_then(|(cause, found)| Some((cause, who_moved(report, found, ledger)?)));
        for finding in &mut report.findings {
            match (&moved, open) {
                (Some((cause, attempt)), _) if finding.rule == "RG008" => says_who(finding, *cause, attempt),
                (_, Some(attempt)) => is_under_way(finding, attempt),
                _ => {}
            }
        }
    }
}

/// What RG008 tells of.
fn last_loss(report: &ConnectorReport) -> Option<(LossCause, &Discontinuity)> {
    report.discontinuities.iter().rev().find_map(|found| match found.outcome {
        Outcome::Lost(cause) => Some((cause, found)),
        Outcome::MaybeLost | Outcome::Rescued => None,
    })
}

/// The attempt that has led on from this very position, and was not put back. Whoever moved it before the attempt was begun was
/// somebody else.
fn who_moved<'a>(report: &ConnectorReport, found: &Discontinuity, ledger: &'a Ledger) -> Option<&'a Attempt> {
    let ours = |attempt: &&Attempt| {
        let stood = attempt.plan.expects.token.as_ref().and_then(|token| token.time);
        let led_on = matches!(attempt.ended, None | Some((Ended::Recovered, ..)));
        stood == Some(found.from)
            && led_on
            && attempt.begun_ms.div_euclid(1000) <= found.at
            && attempt.has_moved_it()
    };
    ledger.attempts_at(&report.id).filter(ours).last()
}

fn says_who(finding: &mut Finding, cause: LossCause, attempt: &Attempt) {
    let (id, strategy) = (&attempt.id, attempt.plan.strategy.code());
    if attempt.lost() == Lost::Nothing {
        finding.severity = Severity::Info;
        finding.summary = format!(
            "recovery {id} ({strategy}) set its stored position to a later one; what lies between was delivered before that"
        );
        finding.advice = format!("nothing is to be done; resumeguard recovery show {id} tells its story");
        return;
    }
    let ours = format!("recovery {id} ({strategy}) went on behind its stored position");
    finding.summary = finding.summary.replace(cause.sentence(), &ours);
    finding.advice = format!(
        "resumeguard recovery show {id} tells who decided on it and what it lost: send what changed in that stretch again from the source, or copy the collection anew"
    );
}

fn is_under_way(finding: &mut Finding, attempt: &Attempt) {
    finding.advice = format!(
        "recovery {} ({}) is under way, and may be what is seen here: wait for its end; else {}",
        attempt.id,
        attempt.plan.strategy.code(),
        finding.advice
    );
}
