//! Plans, blockers and the fold together, on facts made by hand.

mod again;
mod attempts;
mod caution;
mod costs;
mod debezium;
mod effects;
mod forget;
mod history;
mod looks;
mod own;
mod resumed;
mod said;
mod states;
mod steps;
mod stretches;
mod topic;
mod unsettled;
mod worker;

use super::*;

use crate::assess::tests::{FIRST, LAST, connector, facts, failed, member, now, task, token};
use crate::assess::{Memory, Thresholds, assess};
use crate::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// A stored text whose hash does not matter.
pub(super) const STORED: &str = "{\"_data\": \"8265\"}";
pub(super) const NS: &str = "mongodb://a:1/shop.orders";
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Everything that decides about one connector, all of it in favour of an action.
pub(super) struct Scene {
    pub(super) facts: Facts,
    pub(super) details: Details,
    pub(super) policies: Policies,
    pub(super) ledger: Ledger,
    pub(super) frozen: Option<&'static str>,
    pub(super) no_journal: Option<&'static str>,
    pub(super) passes: u32,
    pub(super) now_ms: i64,
}

impl Scene {
    /// Failed with 286, its position an hour older than the oplog.
    pub(super) fn lost() -> Self {
        let mut connector = connector(token(FIRST - 3600, 1));
        connector.tasks = failed(Some(286), FailureClass::HistoryLost);
        Self::of(connector, &[])
    }

    /// Running, its position an hour older than the oplog for longer than a flush; MongoDB was asked.
    pub(super) fn running() -> Self {
        let mut connector = connector(token(FIRST - 3600, 1));
        let answer = ProbeAnswer::of_code(286);
        connector.probe = Some(Probe { answer, age: Duration::ZERO, margin_seconds: None });
        Self { passes: 8, ..Self::of(connector, &[]) }
    }

    pub(super) fn of(mut connector: ConnectorFacts, more: &[(&str, &str)]) -> Self {
        let base = [("database", "shop"), ("collection", "orders"), ("connection.uri", "mongodb://a:1/")];
        let config: BTreeMap<String, String> =
            base.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        connector.settings = Settings::from_config(&config);
        connector.key = Some(LiveKey::Computed);
        connector.version = Some("2.0.1".into());
        let mut primary = member("a:1", Role::Primary, FIRST);
        primary.sizes.size_bytes = Some(1_000_000);
        primary.sizes.max_size_bytes = Some(1 << 30);
        let connect = ConnectFacts {
            version: Some("4.1.0".into()),
            managed_by: Some(ManagedBy::None),
            connectors: 20,
            worker: None,
            topic: crate::recovery::WritesTopic::Never,
        };
        let details = Details { config, partition: Some(NS.into()), stored: Some(STORED.into()), connect };
        Self {
            facts: facts(connector, vec![primary]),
            details,
            policies: Policies { mode: Mode::Auto, ..Policies::default() },
            ledger: Ledger { opened_ms: Some(0), ..Ledger::default() },
            frozen: None,
            no_journal: None,
            passes: 3,
            now_ms: 10 * HOUR_MS,
        }
    }

    pub(super) fn connector(&mut self) -> &mut ConnectorFacts {
        &mut self.facts.connectors[0]
    }

    /// Somebody has paused it, and its task with it.
    pub(super) fn pause(&mut self) {
        self.connector().state = Ok(ConnectorState::Paused);
        self.connector().tasks = vec![task(TaskState::Paused, None)];
    }

    pub(super) fn id(&self) -> ConnectorId {
        self.facts.connectors[0].id.clone()
    }

    /// Judges so many passes and plans after each.
    pub(super) fn planned(&self) -> Option<Planned> {
        let (mut memory, mut sightings, mut planned) = (Memory::default(), Sightings::default(), Vec::new());
        for pass in 0..self.passes {
            let (snapshot, next) =
                assess(&memory, &self.facts, &Thresholds::default(), now(u64::from(pass) * 15));
            memory = next;
            let around = Around {
                policies: &self.policies,
                ledger: &self.ledger,
                no_journal: self.no_journal,
                frozen: self.frozen,
                now_ms: self.now_ms,
            };
            (planned, sightings) =
                round(&snapshot, &self.facts, |_| Some(self.details.clone()), &sightings, &around);
        }
        planned.pop()
    }

    #[track_caller]
    pub(super) fn plan(&self) -> Plan {
        self.planned().unwrap().plan
    }

    /// The plan by this strategy, whether policy chooses it or not.
    #[track_caller]
    pub(super) fn by(&self, strategy: super::Strategy) -> Plan {
        let planned = self.planned().unwrap();
        let others = planned.alternatives.into_iter().map(|(plan, _)| plan);
        std::iter::once(planned.plan).chain(others).find(|plan| plan.strategy == strategy).unwrap()
    }

    #[track_caller]
    pub(super) fn blocked(&self, expected: &[&str]) {
        let planned = self.planned().unwrap();
        let codes: Vec<_> = planned.blockers.iter().map(Blocker::code).collect();
        assert_eq!(codes, expected, "{:?}", planned.blockers);
    }
}

pub(super) fn codes(plan: &Plan) -> Vec<&'static str> {
    plan.steps.iter().map(Step::code).collect()
}
