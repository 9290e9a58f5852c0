//! What recovery would do, and what it did, for people and programs: the JSON contract and what is drawn from it. No token
//! and no setting that could be secret is among it.

mod text;

pub use text::{attempts, overview, planned, story};

use super::words;
use resumeguard_core::domain::{ConnectorId, Timestamp};
use resumeguard_core::recovery::{
    Attempt, AttemptId, Blocker, Ended, Ledger, Mode, Outcome, Phase, Plan, Planned, Stretch, Taken,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Attempts that a page shows, the newest first.
pub const LISTED: usize = 200;

/// Everything that recovery is at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What may be done at the most.
    pub mode: Mode,
    /// Why recovery is frozen.
    pub frozen: Option<&'a str>,
    /// Why nothing can be written down.
    pub no_journal: Option<&'a str>,
    /// The plans of the last pass.
    pub plans: &'a [Planned],
    /// What the journal says.
    pub ledger: &'a Ledger,
    /// For how long an approval counts.
    pub approval_expires: Duration,
    /// The moment, milliseconds since 1970.
    pub now_ms: i64,
}

impl Seen<'_> {
    /// How far a plan is.
    #[must_use]
    pub fn state(&self, plan: &Plan, blockers: &[Blocker]) -> State {
        let approved = self.ledger.approval(&plan.id, self.now_ms, self.approval_expires).is_some();
        match blockers {
            [] if approved => State::Approved,
            [] => State::Ready,
            [Blocker::AwaitsApproval] => State::AwaitsApproval,
            _ if blockers.iter().any(|blocker| matches!(blocker, Blocker::Discarded { .. })) => {
                State::Discarded
            }
            _ => State::Blocked,
        }
    }

    /// How far the plan for one connector is; an alternative that a person has approved goes before what policy chose.
    #[must_use]
    pub fn state_of(&self, planned: &Planned) -> State {
        let approved =
            |(plan, blockers): &&(Plan, Vec<Blocker>)| self.state(plan, blockers) == State::Approved;
        match planned.alternatives.iter().find(approved) {
            Some(_) => State::Approved,
            None => self.state(&planned.plan, &planned.blockers),
        }
    }

    /// All of it, but the attempts' steps.
    #[must_use]
    pub fn overview(&self) -> Overview {
        Overview { attempts: self.ledger.attempts.iter().rev().map(attempt).collect(), ..self.all_plans() }
    }

    /// All of it but the attempts.
    #[must_use]
    pub fn all_plans(&self) -> Overview {
        Overview {
            plans: self.plans.iter().map(|planned| self.planned(planned)).collect(),
            ..self.overview_of(&|_, _| false)
        }
    }

    /// One page of its plans, those that wait for a person first; and how many there are.
    #[must_use]
    pub fn plans_at(&self, range: &dyn Fn(usize) -> std::ops::Range<usize>) -> (Vec<PlannedFor>, usize) {
        let waits = |planned: &&Planned| self.state_of(planned) != State::AwaitsApproval;
        let mut all: Vec<&Planned> = self.plans.iter().collect();
        all.sort_by_cached_key(waits);
        let page = all.get(range(all.len())).unwrap_or_default();
        (page.iter().map(|planned| self.planned(planned)).collect(), all.len())
    }

    /// The plan of this name, and whose it is.
    #[must_use]
    pub fn plan(&self, id: &str) -> Option<PlannedFor> {
        let is = |planned: &&Planned| {
            planned.plan.id.0 == id || planned.alternatives.iter().any(|(plan, _)| plan.id.0 == id)
        };
        self.plans.iter().find(is).map(|planned| self.planned(planned))
    }

    /// All of it but the plans.
    #[must_use]
    pub fn without_plans(&self) -> Overview {
        let attempts = self.ledger.attempts.iter().rev().take(LISTED).map(attempt).collect();
        Overview { attempts, ..self.overview_of(&|_, _| false) }
    }

    /// The same of some connectors only: by Connect cluster and name. Every attempt at them.
    #[must_use]
    pub fn overview_of(&self, is: &dyn Fn(&str, &str) -> bool) -> Overview {
        let of = |id: &ConnectorId| is(&id.connect_cluster, &id.connector);
        let plans = self.plans.iter().filter(|planned| of(&planned.plan.connector));
        let attempts = self.ledger.attempts.iter().rev().filter(|attempt| of(&attempt.plan.connector));
        Overview {
            mode: self.mode.code().to_owned(),
            frozen: self.frozen.map(str::to_owned),
            no_journal: self.no_journal.map(str::to_owned),
            plans: plans.map(|planned| self.planned(planned)).collect(),
            attempts: attempts.take(LISTED).map(attempt).collect(),
            next_plans: None,
            next_attempts: None,
        }
    }

    /// What was done, the newest first, from the one after `after` on; and whether there is more.
    #[must_use]
    pub fn attempts(&self, after: Option<&str>, limit: usize) -> (Vec<Tried>, bool) {
        let newest_first = || self.ledger.attempts.iter().rev();
        let before = after.map(|id| newest_first().position(|attempt| attempt.id.0 == id));
        let skip = match before {
            None => 0,
            Some(Some(at)) => at + 1,
            // It was never there, or is forgotten, and what is older was forgotten before it.
            Some(None) => return (Vec::new(), false),
        };
        let listed: Vec<Tried> = newest_first().skip(skip).take(limit).map(attempt).collect();
        let more = self.ledger.attempts.len() > skip + listed.len();
        (listed, more)
    }

    pub(crate) fn planned(&self, planned: &Planned) -> PlannedFor {
        let ConnectorId { connect_cluster, connector } = planned.plan.connector.clone();
        let others = planned.alternatives.iter().map(|(plan, blockers)| self.proposal(plan, blockers));
        PlannedFor {
            connect_cluster,
            connector,
            trigger: planned.plan.trigger.code().to_owned(),
            mode: planned.mode.code().to_owned(),
            plan: self.proposal(&planned.plan, &planned.blockers),
            alternatives: others.collect(),
        }
    }

    fn proposal(&self, plan: &Plan, blockers: &[Blocker]) -> Proposal {
        let why =
            |blocker: &Blocker| Obstacle { blocker: blocker.code().to_owned(), says: blocker.sentence(plan) };
        Proposal {
            id: plan.id.to_string(),
            strategy: plan.strategy.code().to_owned(),
            state: self.state(plan, blockers).code().to_owned(),
            loses: plan.loses.sentence(),
            loses_seconds: plan.loses.seconds(),
            rescans_bytes: plan.rescans_bytes,
            effects: plan.effects.clone(),
            steps: plan.steps.iter().map(|step| step.sentence()).collect(),
            blockers: blockers.iter().map(why).collect(),
        }
    }
}

/// How far a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something keeps it from being carried out.
    Blocked,
    /// A person has discarded it.
    Discarded,
    /// A person's approval is all that is missing.
    AwaitsApproval,
    /// A person has approved it: it begins after the next pass.
    Approved,
    /// Policy lets it begin.
    Ready,
}

impl State {
    /// Every value.
    pub const ALL: [Self; 5] =
        [Self::Blocked, Self::Discarded, Self::AwaitsApproval, Self::Approved, Self::Ready];

    /// The word that metrics and JSON carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Discarded => "discarded",
            Self::AwaitsApproval => "awaits_approval",
            Self::Approved => "approved",
            Self::Ready => "ready",
        }
    }
}

/// `GET /api/v1/recovery`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// What may be done at the most: `off`, `plan`, `approve`, `auto`.
    pub mode: String,
    /// Why recovery is frozen; `null` where it is not.
    pub frozen: Option<String>,
    /// Why nothing can be written down; `null` where it can.
    pub no_journal: Option<String>,
    /// What would be done, a connector each, by name.
    pub plans: Vec<PlannedFor>,
    /// What was done, the newest first.
    pub attempts: Vec<Tried>,
    /// What `cursor` of `/api/v1/recovery/plans` has to be for the plans that follow; `null` where these are all.
    #[serde(default)]
    pub next_plans: Option<String>,
    /// The same of `/api/v1/recovery/attempts`.
    #[serde(default)]
    pub next_attempts: Option<String>,
}

/// What would be done about one connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlannedFor {
    /// Its Connect cluster.
    pub connect_cluster: String,
    /// Its name.
    pub connector: String,
    /// Which trouble it is in.
    pub trigger: String,
    /// What may be done about that.
    pub mode: String,
    /// What policy chooses.
    pub plan: Proposal,
    /// What would do as well.
    pub alternatives: Vec<Proposal>,
}

impl PlannedFor {
    /// `CONNECT_CLUSTER/CONNECTOR`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.connect_cluster, self.connector)
    }
}

/// One plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// Hash of its content; approvals bind to it.
    pub id: String,
    /// How.
    pub strategy: String,
    /// How far it is: a code of [`State`].
    pub state: String,
    /// What is not delivered once it was carried out, in words.
    pub loses: String,
    /// The same in seconds of oplog time, where that is known.
    pub loses_seconds: Option<i64>,
    /// Bytes of oplog that the server reads again, where known.
    pub rescans_bytes: Option<u64>,
    /// What else follows.
    pub effects: Vec<String>,
    /// What is done, in order.
    pub steps: Vec<String>,
    /// Why it is not carried out now; empty: it may begin.
    pub blockers: Vec<Obstacle>,
}

/// One reason why a plan is not carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Obstacle {
    /// The word that metrics carry.
    pub blocker: String,
    /// Why, and the command or setting that clears it.
    pub says: String,
}

/// One attempt in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// Its name.
    pub attempt: String,
    /// Its Connect cluster.
    pub connect_cluster: String,
    /// Its connector.
    pub connector: String,
    /// How.
    pub strategy: String,
    /// The attempt that it restores.
    pub restores: Option<String>,
    /// Which trouble.
    pub trigger: String,
    /// Who wanted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was begun, RFC 3339.
    pub begun: String,
    /// When it ended; `null` while it goes on.
    pub ended: Option<String>,
    /// How it ended: `recovered`, `not_needed`, `put_back`, `needs_person`.
    pub outcome: Option<String>,
    /// One line on how it ended.
    pub says: Option<String>,
    /// What is not delivered, where that is known.
    pub lost: Option<Skipped>,
    /// `nothing`, `stretch` or `unknown`; `null` while it goes on.
    pub loss: Option<String>,
}

/// A stretch of history that is not delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// The last position that was stored before, RFC 3339.
    pub from: String,
    /// Where the connector went on, RFC 3339.
    pub to: String,
    /// Seconds in between.
    pub seconds: i64,
}

/// `GET /api/v1/recovery/attempts/ID`: one attempt's whole story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// What the list says of it.
    #[serde(flatten)]
    pub attempt: Tried,
    /// The plan that it carries out.
    pub plan: String,
    /// What the plan said that it loses.
    pub expected_to_lose: String,
    /// The steps that were begun, in order.
    pub steps: Vec<Walked>,
    /// The steps that follow, as it looks now; none once it has ended.
    pub steps_to_come: Vec<String>,
    /// What it has replaced is saved, and was not put back: it can be.
    pub can_be_restored: bool,
}

/// One step that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Walked {
    /// The step's word.
    pub step: String,
    /// What it does.
    pub does: String,
    /// `forward`, or `back` for one that puts back.
    pub phase: String,
    /// How often the steps had been begun anew.
    pub round: u32,
    /// When it was begun, RFC 3339.
    pub at: String,
    /// How long it took, milliseconds; `null` while nobody knows.
    pub took_ms: Option<i64>,
    /// How it ended; `null` while nobody knows.
    pub outcome: Option<String>,
    /// What was seen.
    pub says: Option<String>,
    /// The position that it stored or reached, RFC 3339.
    pub reached: Option<String>,
}

/// One attempt's story; `None` where the journal has no such attempt.
#[must_use]
pub fn told(ledger: &Ledger, id: &AttemptId) -> Option<Told> {
    let found = ledger.attempt(id)?;
    Some(Told {
        attempt: attempt(found),
        plan: found.plan.id.to_string(),
        expected_to_lose: found.plan.loses.sentence(),
        steps: found.taken.iter().map(walked).collect(),
        steps_to_come: to_come(found),
        can_be_restored: found.saved.is_some() && left_something(found),
    })
}

/// Everything that it has replaced was not put back already.
fn left_something(attempt: &Attempt) -> bool {
    matches!(attempt.ended, Some((Ended::Recovered | Ended::NeedsPerson, ..)))
}

fn to_come(attempt: &Attempt) -> Vec<String> {
    let last = attempt.taken.last();
    let after = last.map_or(0, |taken| taken.index.saturating_add(1));
    let steps = match last {
        _ if attempt.ended.is_some() => Vec::new(),
        Some(taken) if taken.phase == Phase::Back => attempt.put_back(),
        _ => attempt.plan.steps.clone(),
    };
    steps.iter().skip(after).map(|step| step.sentence()).collect()
}

fn attempt(attempt: &Attempt) -> Tried {
    let ConnectorId { connect_cluster, connector } = attempt.plan.connector.clone();
    let ended = attempt.ended.as_ref();
    Tried {
        attempt: attempt.id.to_string(),
        connect_cluster,
        connector,
        strategy: attempt.plan.strategy.code().to_owned(),
        restores: attempt.plan.restores.as_ref().map(ToString::to_string),
        trigger: attempt.plan.trigger.code().to_owned(),
        by: attempt.by.to_string(),
        reason: attempt.reason.clone(),
        begun: moment(attempt.begun_ms),
        ended: ended.map(|(_, _, at_ms)| moment(*at_ms)),
        outcome: ended.map(|(ended, _, _)| ended.code().to_owned()),
        says: ended.map(|(_, says, _)| says.clone()),
        lost: attempt.lost.stretch().map(skipped),
        loss: ended.map(|_| attempt.lost.code().to_owned()),
    }
}

fn skipped(stretch: Stretch) -> Skipped {
    let time = |time: Timestamp| words::time(i64::from(time.t));
    Skipped {
        from: time(stretch.from),
        to: time(stretch.to),
        seconds: i64::from(stretch.to.t) - i64::from(stretch.from.t),
    }
}

fn walked(taken: &Taken) -> Walked {
    let outcome = taken.outcome.as_ref();
    let reached = match outcome {
        Some((Outcome::Done { reached, .. }, _)) => reached.or_else(|| taken.will.time()),
        _ => None,
    };
    Walked {
        step: taken.step.code().to_owned(),
        does: taken.step.sentence(),
        phase: if taken.phase == Phase::Back { "back" } else { "forward" }.to_owned(),
        round: taken.round,
        at: moment(taken.at_ms),
        took_ms: outcome.map(|(_, at_ms)| at_ms.saturating_sub(taken.at_ms)),
        outcome: outcome.map(|(outcome, _)| outcome.code().to_owned()),
        says: outcome.map(|(outcome, _)| outcome.says().to_owned()),
        reached: reached.map(|time| words::time(i64::from(time.t))),
    }
}

/// Whole seconds are enough for people; the journal has the rest.
fn moment(at_ms: i64) -> String {
    words::time(at_ms.div_euclid(1000))
}
