//! What was concluded from one pass. Everything a person or a program sees is rendered from this.

use crate::assess::LossCounts;
use crate::assess::forecast::{NoForecast, Range};

use super::{
    Basis, ConnectorId, ConnectorState, Discontinuity, Failure, FailureCounts, OffsetsFrom, OplogSizes,
    Position, Role, SourceFacts, TaskFacts, TaskState,
};
use super::{Timestamp, Why};
use serde::{Deserialize, Serialize};

/// Would this connector's stored position survive a restart now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Yes, with time to spare.
    Safe,
    /// Yes, for a while.
    AtRisk,
    /// Yes, barely; or it would resume and deliver nothing, or skip.
    Critical,
    /// No.
    Lost,
    /// Nobody knows, for this reason.
    Unknown(Why),
}

impl Verdict {
    /// Every word of [`Verdict::code`].
    pub const CODES: [&'static str; 5] = ["safe", "at_risk", "critical", "lost", "unknown"];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::AtRisk => "at_risk",
            Self::Critical => "critical",
            Self::Lost => "lost",
            Self::Unknown(_) => "unknown",
        }
    }

    /// For sorting, worst first. Unknown stands above `safe` and `at_risk`: it may be anything.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Lost => 0,
            Self::Critical => 1,
            Self::Unknown(_) => 2,
            Self::AtRisk => 3,
            Self::Safe => 4,
        }
    }
}

/// What a restart (a resume, for one that does not run) would do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnRestart {
    /// Go on where it stands.
    Resumes,
    /// The task fails.
    Fails,
    /// It goes on later in time: what lies between is not delivered.
    Skips,
    /// It goes on from the configured start time: much is delivered again.
    Replays,
    /// It copies all existing data.
    Resnapshots,
    /// It runs and delivers nothing.
    Stalls,
    /// Not known.
    Unknown,
}

impl OnRestart {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::Resumes,
        Self::Fails,
        Self::Skips,
        Self::Replays,
        Self::Resnapshots,
        Self::Stalls,
        Self::Unknown,
    ];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Resumes => "resumes",
            Self::Fails => "fails",
            Self::Skips => "skips",
            Self::Replays => "replays",
            Self::Resnapshots => "resnapshots",
            Self::Stalls => "stalls",
            Self::Unknown => "unknown",
        }
    }
}

/// What a position is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It moves.
    Advancing,
    /// It stands still, and an open change stream shows that the connector listens.
    Idle,
    /// It stands still although it should move: no open stream, or a heartbeat that does not come.
    Stalled,
    /// No task runs.
    Stopped,
    /// It went back, and has not come by its old place again.
    Rewound,
    /// Not known.
    Unknown,
}

impl Progress {
    /// The word that JSON carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Advancing => "advancing",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Stopped => "stopped",
            Self::Rewound => "rewound",
            Self::Unknown => "unknown",
        }
    }
}

/// What the open change streams show of a connector whose stored position may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveStream {
    /// One stream is its own, is being read, and was opened from a token or before that position: it has carried the
    /// connector over everything since.
    Carries,
    /// One stream is its own and was opened after that position, without a token: what lies between may have been skipped.
    OpenedLater,
    /// One stream is its own, and nobody has read it for a while.
    Unread,
    /// No member shows one.
    None,
    /// Nothing is proven.
    Unproven,
}

impl LiveStream {
    /// Every value.
    pub const ALL: [Self; 5] = [Self::Carries, Self::OpenedLater, Self::Unread, Self::None, Self::Unproven];

    /// The word that JSON carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Carries => "carries",
            Self::OpenedLater => "opened_later",
            Self::Unread => "unread",
            Self::None => "none",
            Self::Unproven => "unproven",
        }
    }

    /// One clause for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Carries => "open and read, and nothing is lost while it lives",
            Self::OpenedLater => "open, but opened after the stored position and without a token",
            Self::Unread => "open, but not read for a while",
            Self::None => "no member shows one",
            Self::Unproven => "nothing is proven",
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One numbered rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable id, `RG001`.
    pub rule: &'static str,
    /// Stable name.
    pub name: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is the matter, one line.
    pub summary: String,
    /// What to do, one line.
    pub advice: String,
    /// Why somebody has muted it, which makes its severity `info`.
    pub muted: Option<String>,
}

/// One connector, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorReport {
    /// Who it is.
    pub id: ConnectorId,
    /// Java class.
    pub class: String,
    /// Plugin version, where known.
    pub version: Option<String>,
    /// The connector's own state, where known.
    pub state: Option<ConnectorState>,
    /// Why the connector itself has failed, where it has.
    pub failure: Option<Failure>,
    /// Its tasks.
    pub tasks: Vec<TaskFacts>,
    /// Its deployment, where known.
    pub deployment: Option<String>,
    /// Database, collection, or empty for everything.
    pub mongodb_namespace: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What the verdict stands on; `None` where it is unknown.
    pub basis: Option<Basis>,
    /// What a restart would do.
    pub on_restart: OnRestart,
    /// Where its stored entries were read from, where that is known.
    pub offsets_from: Option<OffsetsFrom>,
    /// The same in words, and why there: `topic connect-offsets (Connect 3.4.1 has no endpoint for offsets)`.
    pub offsets_told: Option<String>,
    /// What is stored, where known.
    pub position: Option<Position>,
    /// Position minus first, seconds of oplog time; negative once lost.
    pub headroom_seconds: Option<i64>,
    /// Headroom over window.
    pub headroom_ratio: Option<f64>,
    /// Last minus position, seconds; an upper bound while the stream is idle.
    pub lag_seconds: Option<i64>,
    /// Seconds until the position is lost if it stands still from now on.
    pub outage_budget_seconds: Option<i64>,
    /// The same as a range over the paces of the last days; the budget lies in it.
    pub outage_budget_range: Option<Range>,
    /// Seconds until it is lost with its own advance counted; absent while it keeps up.
    pub until_lost: Option<Range>,
    /// Why there is no outage budget, where the position itself is known.
    pub no_forecast: Option<NoForecast>,
    /// What matched, worst first.
    pub findings: Vec<Finding>,
    /// Failures seen since the memory began, by code (where the trace names one) and class.
    pub failures: FailureCounts,
    /// What its position is doing.
    pub progress: Progress,
    /// What the open change streams show of it.
    pub live_stream: LiveStream,
    /// Where it did not simply go on, oldest first; the last few.
    pub discontinuities: Vec<Discontinuity>,
    /// How many of them, from the end, this pass has found.
    pub discontinuities_now: usize,
    /// How many of them are proven losses of late (`thresholds.loss_shown_for`): RG008 tells of all of these at once.
    pub losses_of_late: usize,
    /// How often history was lost, and how many seconds at the most, by cause.
    pub losses: LossCounts,
}

impl ConnectorReport {
    /// Discontinuities that this pass has found.
    #[must_use]
    pub fn new_discontinuities(&self) -> &[Discontinuity] {
        let known = self.discontinuities.len().saturating_sub(self.discontinuities_now);
        self.discontinuities.get(known..).unwrap_or_default()
    }

    /// Why the verdict is unknown.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        match self.verdict {
            Verdict::Unknown(why) => Some(why),
            Verdict::Safe | Verdict::AtRisk | Verdict::Critical | Verdict::Lost => None,
        }
    }

    /// A task, or the connector itself, has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == Some(ConnectorState::Failed)
            || self.tasks.iter().any(|task| task.state == TaskState::Failed)
    }
}

/// One member's oplog as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct OplogReport {
    /// Its deployment.
    pub deployment: String,
    /// Its shard; `None` in a replica set.
    pub shard: Option<String>,
    /// `host:port`.
    pub member: String,
    /// Its role.
    pub role: Role,
    /// Oldest entry.
    pub first: Option<Timestamp>,
    /// Newest entry.
    pub last: Option<Timestamp>,
    /// Last minus first, seconds.
    pub window_seconds: Option<i64>,
    /// Sizes.
    pub sizes: OplogSizes,
    /// Nothing was ever truncated.
    pub never_truncated: Option<bool>,
    /// Seconds of history that it loses in a second of late: above 1 the window shrinks. Absent until it truncates.
    pub erosion_ratio: Option<f64>,
}

/// Everything concluded from one pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// When, seconds since 1970.
    pub at: i64,
    /// Connectors, worst first.
    pub connectors: Vec<ConnectorReport>,
    /// Oplogs by deployment and member.
    pub oplogs: Vec<OplogReport>,
    /// Sources by kind and name.
    pub sources: Vec<SourceFacts>,
}
