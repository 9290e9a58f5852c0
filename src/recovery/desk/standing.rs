//! What a person decides on, as it stands now: what follows from the decision, and a mark of all that it rests on. Whoever decides
//! on what was shown sends the mark along, and is refused where it is another one by then.

use super::people::Refused;
use super::{Desk, candidates};
use resumeguard_core::domain::{ConnectorId, ConnectorState};
use resumeguard_core::recovery::{
    Attempt, AttemptId, Blocker, Fingerprint, Mode, Plan, PlanId, Planned, Strategy, Word, World,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// What is decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// Approving or discarding a plan: it is named after its content, so only what people say of it can change.
    Plan(PlanId),
    /// Saying that what failed at a connector was looked at.
    Failures(ConnectorId),
    /// Carrying out a plan for a connector, by this strategy or by what policy chooses.
    Run(ConnectorId, Option<Strategy>),
    /// Letting recovery go on.
    Freeze,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is and what follows, a sentence each.
    pub says: Vec<String>,
    /// All that the decision rests on: what it is called, and its hash.
    parts: Vec<(&'static str, Fingerprint)>,
}

impl Standing {
    fn new(says: Vec<String>) -> Self {
        Self { says, parts: Vec::new() }
    }

    fn on(mut self, what: &'static str, value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).unwrap_or_default();
        self.parts.push((what, Fingerprint::of_text(&text)));
        self
    }

    /// As it is sent along: some digits of each hash.
    #[must_use]
    pub fn mark(&self) -> String {
        self.digits().collect::<Vec<_>>().join("-")
    }

    fn digits(&self) -> impl Iterator<Item = String> {
        self.parts.iter().map(|(_, hash)| {
            let text = serde_json::to_value(hash).unwrap_or_default();
            text.as_str().unwrap_or_default().chars().take(12).collect()
        })
    }

    /// Whether it is still what was seen. Nothing is held against it where nobody says what they have seen.
    ///
    /// # Errors
    /// What has changed since.
    pub fn still(&self, seen: Option<&str>) -> Result<(), Refused> {
        let Some(seen) = seen else { return Ok(()) };
        let before: Vec<&str> = seen.split('-').collect();
        if before.len() != self.parts.len() {
            return Err(Refused::Changed(vec!["what this is about".to_owned()]));
        }
        let others =
            self.parts.iter().zip(self.digits()).zip(before).filter(|((_, now), before)| now != before);
        let changed: Vec<String> = others.map(|(((what, _), _), _)| (*what).to_owned()).collect();
        if changed.is_empty() { Ok(()) } else { Err(Refused::Changed(changed)) }
    }
}

impl Desk {
    /// How something stands that a person decides on.
    ///
    /// # Errors
    /// Where there is none.
    pub fn standing(&self, matter: &Matter) -> Result<Standing, Refused> {
        match matter {
            Matter::Plan(id) => self.find(id).map(|(plan, _)| self.of_plan(&plan)),
            Matter::Failures(connector) => Ok(self.of_failures(connector)),
            Matter::Run(connector, strategy) => {
                self.chosen(connector, *strategy).map(|(plan, _)| self.of_plan(&plan))
            }
            Matter::Freeze => Ok(self.of_freeze()),
        }
    }

    /// How it stands with putting back what an attempt has replaced. Connect and MongoDB are asked.
    ///
    /// # Errors
    /// Where there is no such attempt, nothing is to be put back, or the connector cannot be looked at.
    pub async fn standing_to_restore(&self, attempt: &AttemptId) -> Result<Standing, Refused> {
        let (plan, world) = self.restoring(attempt).await?;
        Ok(self.of_restoring(&plan, &world))
    }

    fn of_plan(&self, plan: &Plan) -> Standing {
        let ledger = self.ledger();
        let word = ledger.words.get(&plan.id);
        let mut says =
            vec![format!("{}: {} loses {}", plan.connector, plan.strategy.code(), plan.loses.sentence())];
        says.extend(plan.steps.iter().map(|step| step.sentence()));
        says.extend(plan.effects.iter().cloned());
        says.extend(word.map(said));
        let word = word.map(|word| (word.at_ms, word.approves, word.by.to_string()));
        Standing::new(says).on("the plan", &plan.id).on("what people have decided on it", &word)
    }

    fn of_failures(&self, connector: &ConnectorId) -> Standing {
        let ledger = self.ledger();
        let of_it = || ledger.attempts_at(connector);
        let mut says: Vec<String> = of_it().filter_map(ending).collect();
        says.reverse();
        says.truncate(5);
        let all: Vec<_> =
            of_it().map(|one| (&one.id, one.ended.as_ref().map(|ended| ended.0.code()))).collect();
        Standing::new(says)
            .on("what was attempted at it", &all)
            .on("what was acknowledged of it", &ledger.acknowledged.get(connector))
    }

    fn of_freeze(&self) -> Standing {
        let (ledger, frozen, plans) = (self.ledger(), self.frozen(), self.plans());
        let open: Vec<&Attempt> = ledger.open_attempts().collect();
        let expires = self.orders().policies.approval_expires;
        let counts = |plan: &&Plan| ledger.approval(&plan.id, self.now_ms(), expires).is_some();
        let all = plans.iter().flat_map(candidates).map(|(plan, _)| plan);
        let approved: Vec<&Plan> = all.filter(counts).collect();
        // By policy alone, as soon as nothing freezes it any more.
        let thaws = |planned: &&Planned| {
            let mut blockers = planned.blockers.iter();
            planned.mode == Mode::Auto && blockers.all(|blocker| matches!(blocker, Blocker::Frozen { .. }))
        };
        let automatic: Vec<&Plan> = plans.iter().filter(thaws).map(|planned| &planned.plan).collect();
        // A file and the configuration come first, and this is the one that is lifted.
        let by_person = ledger.frozen.as_ref().map(|(by, reason)| format!("{by}: {reason}"));
        let reasons: BTreeSet<&String> = frozen.iter().chain(&by_person).collect();
        let mut says: Vec<String> = reasons.iter().map(|reason| format!("frozen by {reason}")).collect();
        says.extend(open.iter().map(|one| {
            format!("attempt {} goes on: {} for {}", one.id, one.plan.strategy.code(), one.plan.connector)
        }));
        says.extend(approved.iter().map(|plan| {
            format!(
                "plan {} is approved and may begin: {} for {}",
                plan.id,
                plan.strategy.code(),
                plan.connector
            )
        }));
        says.extend(automatic.iter().map(|plan| {
            format!("plan {} begins by policy: {} for {}", plan.id, plan.strategy.code(), plan.connector)
        }));
        let open: Vec<_> = open.iter().map(|one| &one.id).collect();
        let approved: Vec<_> = approved.iter().map(|plan| &plan.id).collect();
        let automatic: Vec<_> = automatic.iter().map(|plan| &plan.id).collect();
        Standing::new(says)
            .on("why it is frozen", &reasons)
            .on("what was under way", &open)
            .on("what is approved", &approved)
            .on("what policy begins", &automatic)
    }

    /// A connector that runs moves on while somebody decides: where it has got to is saved before it is replaced, and is no news.
    pub(super) fn of_restoring(&self, plan: &Plan, world: &World) -> Standing {
        let ledger = self.ledger();
        let state = plan.expects.state;
        let token = plan.expects.token.as_ref();
        let at = token.and_then(|token| token.time);
        let at =
            at.map(|time| format!(", at {}", crate::publish::time(i64::from(time.t)))).unwrap_or_default();
        let mut says = vec![format!("{} is {} now{at}", plan.connector, state.code())];
        says.extend(plan.steps.iter().map(|step| step.sentence()));
        says.extend(plan.effects.iter().cloned());
        let token = token.filter(|_| state != ConnectorState::Running).map(|token| &token.text);
        let attempts: Vec<_> = ledger.attempts_at(&plan.connector).map(|one| &one.id).collect();
        Standing::new(says)
            .on("what is put back", &(&plan.restores, &plan.steps))
            .on("the connector's state", &state)
            .on("its settings", &Fingerprint::of_config(&world.config))
            .on("its position", &token)
            .on("what was attempted at it", &attempts)
    }
}

fn said(word: &Word) -> String {
    let verb = if word.approves { "approved" } else { "discarded" };
    format!("{verb} by {}: {}", word.by, word.reason)
}

fn ending(attempt: &Attempt) -> Option<String> {
    let (ended, says, at_ms) = attempt.ended.as_ref()?;
    let at = crate::publish::time(at_ms.div_euclid(1000));
    Some(format!("{at}: {} {}, {says}", attempt.plan.strategy.code(), ended.code().replace('_', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_since_is_named() {
        let standing = |state: &str, token: Option<u32>| {
            Standing::new(vec![]).on("its state", &state).on("its position", &token)
        };
        let seen = standing("running", Some(7)).mark();
        let still = |now: Standing| now.still(Some(&seen)).map_err(|refused| refused.to_string());
        assert_eq!(still(standing("running", Some(7))), Ok(()));
        let changed = "its position has changed since this was shown; look again, and decide then";
        assert_eq!(still(standing("running", None)), Err(changed.to_owned()));
        let both = "its state, its position have changed since this was shown; look again, and decide then";
        assert_eq!(still(standing("paused", Some(8))), Err(both.to_owned()));
        assert!(
            standing("x", None).still(None).is_ok(),
            "whoever says nothing of it decides on what stands now"
        );
        assert!(standing("x", None).still(Some("")).is_err());
    }
}
