//! Which kind of trouble a connector is in.

use crate::domain::{ConnectorReport, ConnectorState, FailureClass, TaskState, Verdict, Why};
use serde::{Deserialize, Serialize};

/// What makes a plan wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Failed, and its position is gone.
    HistoryLost,
    /// It runs, and its stored position is gone.
    LostWhileRunning,
    /// Paused or stopped, and its position is gone.
    LostWhileStopped,
    /// Failed for a reason that a restart may cure.
    TransientFailure,
    /// Its token is inside the window, and the server cannot find it in this stream.
    WrongStream,
    /// What is stored is no token that the server accepts.
    TokenMalformed,
    /// Less headroom than the policy's threshold.
    LowHeadroom,
}

impl Trigger {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::HistoryLost,
        Self::LostWhileRunning,
        Self::LostWhileStopped,
        Self::TransientFailure,
        Self::WrongStream,
        Self::TokenMalformed,
        Self::LowHeadroom,
    ];

    /// The word that configuration and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::HistoryLost => "history_lost",
            Self::LostWhileRunning => "lost_while_running",
            Self::LostWhileStopped => "lost_while_stopped",
            Self::TransientFailure => "transient_failure",
            Self::WrongStream => "wrong_stream",
            Self::TokenMalformed => "token_malformed",
            Self::LowHeadroom => "low_headroom",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.code() == text)
    }

    /// Its position is of no use any more, whatever the reason: many of them at once have one cause.
    #[must_use]
    pub fn is_of_the_position(self) -> bool {
        self.is_loss() || matches!(self, Self::WrongStream | Self::TokenMalformed)
    }

    /// Its position is gone.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self, Self::HistoryLost | Self::LostWhileRunning | Self::LostWhileStopped)
    }
}

/// The trouble that one pass shows, if there is any. `threshold_seconds` is the policy's, of headroom.
#[must_use]
pub fn trigger(report: &ConnectorReport, threshold_seconds: Option<i64>) -> Option<Trigger> {
    let failed =
        report.tasks.iter().find_map(|task| task.failure.filter(|_| task.state == TaskState::Failed));
    if report.verdict == Verdict::Lost {
        return match (report.has_failed(), report.state) {
            (true, _) => Some(Trigger::HistoryLost),
            // A newer token may be on its way to being stored until then (J4).
            (false, Some(ConnectorState::Running)) if lost_for_a_flush(report) => {
                Some(Trigger::LostWhileRunning)
            }
            (false, Some(ConnectorState::Paused | ConnectorState::Stopped)) => {
                Some(Trigger::LostWhileStopped)
            }
            (false, _) => None,
        };
    }
    match failed.map(|failure| failure.class) {
        // The server said so, whatever could be read of the oplog.
        Some(FailureClass::HistoryLost) if report.verdict.code() == "unknown" => Some(Trigger::HistoryLost),
        // 136 and the like: it stands inside the window, and resumes at a restart.
        Some(FailureClass::HistoryLost | FailureClass::Transient) => Some(Trigger::TransientFailure),
        Some(FailureClass::WrongStream) => Some(Trigger::WrongStream),
        Some(FailureClass::TokenMalformed) => Some(Trigger::TokenMalformed),
        Some(FailureClass::EventTooLarge | FailureClass::Unauthorized | FailureClass::Other) => None,
        None if report.why() == Some(Why::PositionMalformed) => Some(Trigger::TokenMalformed),
        None => (report.headroom_seconds? < threshold_seconds?).then_some(Trigger::LowHeadroom),
    }
}

/// Of a task that runs (RG001).
fn lost_for_a_flush(report: &ConnectorReport) -> bool {
    report.findings.iter().any(|finding| finding.rule == "RG001")
}
