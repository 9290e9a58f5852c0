//! Findings that show what our own recovery does, and who says so: judgement knows of no journal, and would have somebody look for
//! whoever has changed a connector behind everybody's back.

use super::{Attempt, Ended, Ledger, Loses, Lost};
use crate::domain::{ConnectorReport, Discontinuity, Finding, LossCause, Outcome, Severity, Snapshot};

/// Has findings name the recovery that they show. What was lost stays lost, and is as severe as it was. One that is `frozen`, for
/// that reason, ends only once somebody lets it go on.
pub fn name_our_own(snapshot: &mut Snapshot, ledger: &Ledger, frozen: Option<&str>) {
    for report in &mut snapshot.connectors {
        let open = ledger.open_attempts().find(|attempt| attempt.plan.connector == report.id);
        let moved =
            last_loss(report).and_then(|(cause, found)| Some((cause, who_moved(report, found, ledger)?)));
        let of_late = report.losses_of_late;
        for finding in &mut report.findings {
            match (&moved, open) {
                (Some((cause, attempt)), _) if finding.rule == "RG008" => {
                    says_who(finding, *cause, attempt, of_late);
                }
                (_, Some(attempt)) => is_under_way(finding, attempt, frozen),
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

/// RG008 is one finding for all losses `of_late`: where the last of them was none, the others are as severe as before.
fn says_who(finding: &mut Finding, cause: LossCause, attempt: &Attempt, of_late: usize) {
    let (id, by) = (&attempt.id, by(attempt));
    if !was_delivered(attempt) {
        let ours = format!("recovery {id} ({by}) went on behind its stored position");
        finding.summary = finding.summary.replace(cause.sentence(), &ours);
        let lost = if attempt.plan.restores.is_none() { " and what it lost" } else { "" };
        finding.advice = format!(
            "who decided on it{lost}: resumeguard recovery show {id}; send what changed in that stretch again from the source, or copy the collection anew"
        );
        return;
    }
    if of_late == 1 {
        finding.severity = Severity::Info;
        finding.summary = format!(
            "recovery {id} ({by}) set its stored position to a later one; what lies between was delivered before that"
        );
        finding.advice = format!("nothing is to be done; resumeguard recovery show {id} tells its story");
        return;
    }
    finding.summary = format!(
        "history was skipped {of_late} times of late; at the last of them recovery {id} ({by}) set its stored position to a later one, and what lies between was delivered before that; of the others nothing says so"
    );
    finding.advice = format!(
        "resumeguard explain shows each of them: send what changed in those stretches again from the source, or copy the collection anew; resumeguard recovery show {id} tells the story of the last"
    );
}

/// A restore goes on from wherever the attempt that it restores has found it: with the same strategy, to another end.
fn by(attempt: &Attempt) -> String {
    match &attempt.plan.restores {
        Some(restored) => format!("restore of {restored}"),
        None => attempt.plan.strategy.code().to_owned(),
    }
}

/// A live stream had delivered all of it. That a restore puts back counts as no step that loses anything, wherever it leads.
fn was_delivered(attempt: &Attempt) -> bool {
    let plan = &attempt.plan;
    plan.restores.is_none() && plan.loses == Loses::Nothing && attempt.lost() == Lost::Nothing
}

fn is_under_way(finding: &mut Finding, attempt: &Attempt, frozen: Option<&str>) {
    let until = match frozen {
        None => "wait for its end".to_owned(),
        Some(reason) => format!(
            "it waits, since recovery is frozen ({reason}), and goes on after resumeguard unfreeze --reason …, or without the freeze file"
        ),
    };
    finding.advice = format!(
        "recovery {} ({}) is under way, and may be what is seen here: {until}; else {}",
        attempt.id,
        attempt.plan.strategy.code(),
        finding.advice
    );
}
