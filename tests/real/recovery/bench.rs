//! Passes, plans and attempts as the daemon makes them, one by one.

use crate::shared::{LONG, quick};
use resumeguard::clock::Clock;
use resumeguard::config::{self, Config};
use resumeguard::recovery::{Desk, Hands, Refused};
use resumeguard::sources::Observer;
use resumeguard_core::assess::{Memory, assess};
use resumeguard_core::domain::{ConnectorId, Snapshot};
use resumeguard_core::recovery::{Actor, Attempt, AttemptId, Planned, Strategy};
use std::time::Duration;
use xtask::{Deadline, Seen, wait_until};

fn load(toml: &str) -> Config {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let sources = config::Sources { files: vec![file.path().to_owned()], ..Default::default() };
    config::load(&sources).unwrap().1
}

/// A bench with a journal of its own.
pub(crate) struct Bench {
    clock: Clock,
    config: Config,
    toml: String,
    observer: Observer,
    memory: Memory,
    pub(crate) desk: Desk,
    _state: tempfile::TempDir,
}

impl Bench {
    /// One that looks at this Connect cluster; `recovery` are more lines of that section.
    pub(crate) async fn new(connect: &str, recovery: &str) -> Self {
        Self::of(connect, "", recovery).await
    }

    /// The same with more lines about the Connect cluster.
    pub(crate) async fn of(connect: &str, cluster: &str, recovery: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let watched = quick(connect)
            .replace("sizes_every = \"1s\"\n", "")
            .replace("[poll]", &format!("managed_by = \"none\"\n{cluster}\n[poll]"));
        Self::with(state, &format!("{watched}sizes_every = \"1s\"\n"), recovery).await
    }

    /// One that watches what this says, with its journal in this directory.
    pub(crate) async fn with(state: tempfile::TempDir, watched: &str, recovery: &str) -> Self {
        let stable = if recovery.contains("stable_for") { "" } else { "stable_for = \"3s\"\n" };
        let toml = format!(
            "{watched}[recovery]\nmode = \"approve\"\ndirectory = \"{}\"\ncooldown = \"1s\"\n{stable}{recovery}\n",
            state.path().display()
        );
        let config = load(&toml);
        let clock = Clock::start();
        let desk = Desk::open(&config, clock).await;
        Self {
            clock,
            observer: Observer::new(&config).unwrap(),
            config,
            toml,
            memory: Memory::default(),
            desk,
            _state: state,
        }
    }

    /// As if its configuration had been read again and said another mode.
    pub(crate) fn reconfigure(&mut self, mode: &str) {
        self.config = load(&self.toml.replace("mode = \"approve\"", &format!("mode = \"{mode}\"")));
        self.desk.reconfigure(&self.config);
    }

    /// One pass.
    pub(crate) async fn pass(&mut self) -> Snapshot {
        let facts = self.observer.observe(&self.clock).await;
        let (snapshot, memory) = assess(&self.memory, &facts, &self.config.thresholds, self.clock.now());
        self.memory = memory;
        self.desk.plan(&snapshot, &facts, self.observer.details(&self.clock));
        let wanted = self.desk.wants_hands().into_iter();
        self.desk
            .reach(wanted.filter_map(|id| Some((id.clone(), Hands::of(&self.observer, &id)?))).collect());
        self.observer.ask(&snapshot, &self.config.thresholds, &self.clock);
        snapshot
    }

    /// Passes until there is a plan for this connector that holds so much.
    pub(crate) async fn plan(&mut self, name: &str, enough: impl Fn(&Planned) -> bool) -> Planned {
        let (id, deadline) = (ConnectorId::new("main", name), Deadline::after(LONG));
        loop {
            let snapshot = self.pass().await;
            let plans = self.desk.plans();
            let planned = plans.iter().find(|planned| planned.plan.connector == id);
            if let Some(planned) = planned.filter(|planned| enough(planned)) {
                return planned.clone();
            }
            let report = snapshot.connectors.iter().find(|report| report.id == id);
            assert!(!deadline.passed(), "no such plan: {planned:?} for {report:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Has a plan of this strategy begin as soon as nothing but a person's word is wanting.
    pub(crate) async fn begin(&mut self, name: &str, strategy: Strategy) -> AttemptId {
        let (id, deadline) = (ConnectorId::new("main", name), Deadline::after(LONG));
        loop {
            self.pass().await;
            let by = Actor::Person("it".to_owned());
            match self.desk.run(&id, Some(strategy), by, "test".to_owned(), Some(usize::MAX)).await {
                Ok(attempt) => return attempt,
                Err(refused @ Refused::Journal(_)) => panic!("{refused}"),
                Err(refused) => assert!(!deadline.passed(), "{refused}; {:?}", self.desk.plans()),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The attempt once it has ended.
    pub(crate) async fn ended(&self, id: &AttemptId) -> Attempt {
        wait_until(&format!("the end of {id}"), LONG * 3, async || {
            let attempt = self.desk.ledger().attempt(id).cloned().unwrap();
            Ok(if attempt.ended.is_some() {
                Seen::Yes(attempt)
            } else {
                Seen::Not(format!("{:?}", attempt.taken))
            })
        })
        .await
        .unwrap()
    }

    /// From trouble to the end of an attempt.
    pub(crate) async fn recover(&mut self, name: &str, strategy: Strategy) -> Attempt {
        let id = self.begin(name, strategy).await;
        self.ended(&id).await
    }
}

/// The steps that were taken, with how they ended, and how long after the attempt was begun.
pub(crate) fn story(attempt: &Attempt) -> String {
    let steps = attempt.taken.iter().map(|taken| {
        let outcome = taken.outcome.as_ref().map_or("?", |(outcome, _)| outcome.code());
        let says = taken.outcome.as_ref().map_or("", |(outcome, _)| outcome.says());
        let ended_ms = taken.outcome.as_ref().map_or(taken.at_ms, |(_, at_ms)| *at_ms);
        let after_ms = ended_ms - attempt.begun_ms;
        format!("{:?} {} {outcome} ({says}) at {after_ms} ms", taken.phase, taken.step.code())
    });
    let ended = attempt.ended.as_ref().map(|(ended, says, _)| format!("{}: {says}", ended.code()));
    format!("{}\n=> {ended:?}, lost {:?}", steps.collect::<Vec<_>>().join("\n"), attempt.lost)
}
