//! What the journal holds: one entry for everything that somebody wanted or did.

use super::world::{RawOffset, token_time};
use super::{Actor, Phase, Plan, PlanId, Step, Strategy, Tally};
use crate::domain::{ConnectorId, ConnectorState, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of an attempt: the plan's and the moment's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub String);

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was there before the first change. Its `Debug` form leaves it out: configurations hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// State of the connector.
    pub state: ConnectorState,
    /// All of its configuration, as REST shows it.
    pub config: BTreeMap<String, String>,
    /// All of its stored offsets.
    pub offsets: Vec<RawOffset>,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a step is about to store, decided when it was taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Will {
    /// The offset's text that it is going to store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The configuration keys that it is going to change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Option<String>>,
}

impl std::fmt::Debug for Will {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Will").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Will {
    /// The time of the token that it is going to store.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        token_time(self.text.as_deref()?)
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was carried out, or the world shows that it was.
    Done {
        /// What was seen, one line.
        says: String,
        /// The position that was reached, where the step tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<Timestamp>,
    },
    /// There was nothing to do.
    NotNeeded {
        /// Why, one line.
        says: String,
    },
    /// What was written has rolled out of the oplog meanwhile: once more, from the first step that can be repeated.
    Again {
        /// What was seen, one line.
        says: String,
    },
    /// The trouble is over: nothing more is to be done than to put back what was changed for a moment.
    Over {
        /// What was seen, one line.
        says: String,
    },
    /// It was written down, and then not sent: it is as if it had never been begun.
    NotSent {
        /// Why, one line.
        says: String,
    },
    /// It failed, or must not be taken: what was changed is put back.
    Failed {
        /// Why, one line.
        says: String,
    },
}

impl Outcome {
    /// The word that people see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::NotNeeded { .. } => "not_needed",
            Self::Again { .. } => "again",
            Self::Over { .. } => "over",
            Self::NotSent { .. } => "not_sent",
            Self::Failed { .. } => "failed",
        }
    }

    /// Its line.
    #[must_use]
    pub fn says(&self) -> &str {
        match self {
            Self::Done { says, .. }
            | Self::NotNeeded { says }
            | Self::Again { says }
            | Self::Over { says }
            | Self::NotSent { says }
            | Self::Failed { says } => says,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The connector is well.
    Recovered,
    /// The trouble was over before anything had to be done.
    NotNeeded,
    /// It failed, and everything is as it was before.
    PutBack,
    /// It failed, and something could not be put back: a person has to look.
    NeedsPerson,
}

impl Ended {
    /// The word that people and metrics see.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NotNeeded => "not_needed",
            Self::PutBack => "put_back",
            Self::NeedsPerson => "needs_person",
        }
    }

    /// It counts towards the limit of attempts.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::PutBack | Self::NeedsPerson)
    }
}

/// History that is not delivered: everything after `from` and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The last position that was stored before.
    pub from: Timestamp,
    /// Where it goes on.
    pub to: Timestamp,
}

impl Stretch {
    /// Seconds of oplog time between its ends.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::from(self.to.t) - i64::from(self.from.t)
    }
}

/// What an attempt has left undelivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// Nothing.
    Nothing,
    /// At most this.
    Stretch(Stretch),
    /// Nobody knows: one of its ends was never read.
    #[default]
    Unknown,
}

impl Lost {
    /// The word that JSON, hooks and people see.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Stretch(_) => "stretch",
            Self::Unknown => "unknown",
        }
    }

    /// The stretch, where it is known.
    #[must_use]
    pub fn stretch(self) -> Option<Stretch> {
        match self {
            Self::Stretch(stretch) => Some(stretch),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// One thing that somebody wanted or did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The journal was begun.
    Opened,
    /// A person lets a plan be carried out.
    Approved {
        /// Which.
        plan: PlanId,
        /// Whose.
        connector: ConnectorId,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
        /// With so many positions lost at once in its Connect cluster before their eyes. Journals of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mass_failure: Option<usize>,
    },
    /// A person does not want a plan to be carried out.
    Discarded {
        /// Which.
        plan: PlanId,
        /// Whose.
        connector: ConnectorId,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// A person has looked at what failed: attempts may be made again.
    Acknowledged {
        /// At which connector.
        connector: ConnectorId,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// All recovery is to stop.
    Frozen {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// Recovery may go on.
    Unfrozen {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// Attempts that ended long ago are not in the journal any more.
    Forgotten {
        /// How many, by strategy.
        attempts: BTreeMap<Strategy, Tally>,
        /// When the last of them succeeded, milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_success_ms: Option<i64>,
    },
    /// A plan is about to be carried out.
    Begun {
        /// Its name from now on.
        attempt: AttemptId,
        /// What.
        plan: Box<Plan>,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// What was there before.
    Saved {
        /// Of which attempt.
        attempt: AttemptId,
        /// It.
        saved: Box<Saved>,
    },
    /// A step is about to be taken.
    Intent {
        /// Of which attempt.
        attempt: AttemptId,
        /// On or back.
        phase: Phase,
        /// Number of the step.
        index: usize,
        /// How often the steps were begun anew.
        round: u32,
        /// The step.
        step: Step,
        /// What it is going to store.
        #[serde(default)]
        will: Will,
    },
    /// A step ends without being taken: what was seen makes it needless, or forbids it. One entry: where nothing was done, nobody
    /// must wonder whether it was.
    Skipped {
        /// Of which attempt.
        attempt: AttemptId,
        /// On or back.
        phase: Phase,
        /// Number of the step.
        index: usize,
        /// How often the steps were begun anew.
        round: u32,
        /// The step.
        step: Step,
        /// How it ends.
        outcome: Outcome,
    },
    /// The step that was about to be taken has ended.
    Outcome {
        /// Of which attempt.
        attempt: AttemptId,
        /// How.
        outcome: Outcome,
        /// It was refused, or turned out to be needless before it was sent: nothing of it can be there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        untouched: bool,
    },
    /// Nothing more will be done.
    Ended {
        /// Which attempt.
        attempt: AttemptId,
        /// How.
        ended: Ended,
        /// One line.
        says: String,
        /// What is not delivered.
        #[serde(default)]
        lost: Lost,
    },
}

impl Event {
    /// The word by which it is found in the journal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Approved { .. } => "approved",
            Self::Discarded { .. } => "discarded",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Frozen { .. } => "frozen",
            Self::Unfrozen { .. } => "unfrozen",
            Self::Forgotten { .. } => "forgotten",
            Self::Begun { .. } => "begun",
            Self::Saved { .. } => "saved",
            Self::Intent { .. } => "intent",
            Self::Skipped { .. } => "skipped",
            Self::Outcome { .. } => "outcome",
            Self::Ended { .. } => "ended",
        }
    }

    /// The attempt that it belongs to.
    #[must_use]
    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Begun { attempt, .. }
            | Self::Saved { attempt, .. }
            | Self::Intent { attempt, .. }
            | Self::Skipped { attempt, .. }
            | Self::Outcome { attempt, .. }
            | Self::Ended { attempt, .. } => Some(attempt),
            Self::Opened
            | Self::Approved { .. }
            | Self::Discarded { .. }
            | Self::Acknowledged { .. }
            | Self::Frozen { .. }
            | Self::Unfrozen { .. }
            | Self::Forgotten { .. } => None,
        }
    }

    /// The connector that it names, where it names one.
    #[must_use]
    pub fn connector(&self) -> Option<&ConnectorId> {
        match self {
            Self::Approved { connector, .. }
            | Self::Discarded { connector, .. }
            | Self::Acknowledged { connector, .. } => Some(connector),
            Self::Begun { plan, .. } => Some(&plan.connector),
            Self::Opened
            | Self::Frozen { .. }
            | Self::Unfrozen { .. }
            | Self::Forgotten { .. }
            | Self::Saved { .. }
            | Self::Intent { .. }
            | Self::Skipped { .. }
            | Self::Outcome { .. }
            | Self::Ended { .. } => None,
        }
    }
}

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number; entries are appended, and never changed.
    pub seq: u64,
    /// When, milliseconds since 1970 by our wall clock.
    pub at_ms: i64,
    /// What.
    pub event: Event,
}
