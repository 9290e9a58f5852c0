//! Where a connector went on at another place than it had stored.

use super::{StartupMode, Timestamp, Tolerance};
use serde::{Deserialize, Serialize};

/// How history came to be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The stored position was lost, and the stream was opened without it.
    Tolerated,
    /// The stored position was good, and the stream was opened without it all the same: 260, or the second gap that a
    /// tolerated loss leaves behind (mongo-kafka `StartedMongoSourceTask.invalidatedCursor`).
    Reopened,
    /// What it watched was dropped or renamed, and the stream was opened anew some time later.
    Invalidated,
    /// The stored position was deleted.
    Reset,
    /// It looks its position up under another key than before and found none.
    KeyChanged,
    /// Its position was set to a later one while it did not run.
    Altered,
}

impl LossCause {
    /// Every cause, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Tolerated, Self::Reopened, Self::Invalidated, Self::Reset, Self::KeyChanged, Self::Altered];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Tolerated => "tolerated",
            Self::Reopened => "reopened",
            Self::Invalidated => "invalidated",
            Self::Reset => "reset",
            Self::KeyChanged => "key_changed",
            Self::Altered => "altered",
        }
    }

    /// One clause for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Tolerated => "its stored position was lost and its stream was opened without it",
            Self::Reopened => "its stream was opened without its stored position, which was good",
            Self::Invalidated => "what it watched was dropped or renamed, and it began anew later",
            Self::Reset => "its stored position was deleted",
            Self::KeyChanged => "it looks its position up under another key now, and found none",
            Self::Altered => "its position was set to a later one while it did not run",
        }
    }
}

/// What became of the history between two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Proven not to have been delivered.
    Lost(LossCause),
    /// A lost position advanced, or a stream was opened without the stored token, and nothing proves whose stream was open.
    MaybeLost,
    /// A lost position advanced, and the open stream is older than the loss: everything was delivered.
    Rescued,
}

/// A place where the stored position does not simply continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discontinuity {
    /// When it was noticed, seconds since 1970, for display.
    pub at: i64,
    /// The deployment's newest entry at that time.
    pub newest: Timestamp,
    /// What became of the history in between.
    pub outcome: Outcome,
    /// The last position known before.
    pub from: Timestamp,
    /// Where it went on, at the latest.
    pub to: Timestamp,
    /// The effective tolerance when it was noticed.
    pub tolerance: Tolerance,
    /// The effective start-up mode when it was noticed.
    pub startup_mode: StartupMode,
}

impl Outcome {
    /// The word that events and the log carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Lost(_) => "history_skipped",
            Self::MaybeLost => "history_maybe_skipped",
            Self::Rescued => "rescued",
        }
    }

    /// How it was lost, where that is proven.
    #[must_use]
    pub fn cause(self) -> Option<LossCause> {
        match self {
            Self::Lost(cause) => Some(cause),
            Self::MaybeLost | Self::Rescued => None,
        }
    }
}

impl Discontinuity {
    /// Seconds between the two places: an upper bound of what was skipped.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        u64::from(self.to.t.saturating_sub(self.from.t))
    }
}
