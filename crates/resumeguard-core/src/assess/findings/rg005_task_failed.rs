//! RG005: a task has failed, or the connector itself. Connect never restarts it by itself.

use super::{Case, Matched};
use crate::domain::{Failure, FailureClass, Severity};

/// Matches on any failed task, the worst class speaks; else on a connector that has failed itself.
pub(super) fn matches(case: &Case<'_>) -> Option<Matched> {
    let failures = case.connector.tasks.iter().filter_map(|task| task.failure);
    let of_a_task = failures.min_by_key(|failure| failure.class).map(|failure| ("task", failure));
    let of_its_own = || case.connector.failure.map(|failure| ("connector itself", failure));
    let (who, Failure { code: number, class }) = of_a_task.or_else(of_its_own)?;
    let code = number.map_or_else(|| "no error code".to_owned(), |code| format!("error {code}"));
    let (severity, advice) = advise(number, class);
    Some(Matched {
        severity,
        summary: format!("the {who} has failed with {code} ({})", class.code()),
        advice: advice.to_owned(),
    })
}

fn advise(code: Option<u32>, class: FailureClass) -> (Severity, &'static str) {
    use Severity::{Critical, Warning};
    match class {
        FailureClass::HistoryLost => (
            Critical,
            "a restart fails again; decide how to recover: what is still in the oplog can be saved",
        ),
        FailureClass::WrongStream if code == Some(260) => (
            Critical,
            "a restart opens the stream without the token, in silence, and skips what lies between: decide first how to recover",
        ),
        FailureClass::WrongStream => (
            Critical,
            "a restart fails again; was the namespace, the pipeline or the deployment behind the URI changed?",
        ),
        FailureClass::TokenMalformed => (
            Critical,
            "a restart fails again, or runs without delivering; the stored offset must be replaced or deleted",
        ),
        FailureClass::EventTooLarge => (
            Critical,
            "a restart meets the same event again; make it smaller with a pipeline, or skip it knowingly",
        ),
        FailureClass::Unauthorized => {
            (Critical, "correct the credentials or the rights, then restart the task")
        }
        FailureClass::Transient => (
            Warning,
            "restart the task once MongoDB and Kafka are well; nothing is lost while headroom lasts",
        ),
        FailureClass::Other => {
            (Critical, "read the trace in Connect's status, mend the cause, then restart the task")
        }
    }
}
