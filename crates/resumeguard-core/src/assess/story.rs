//! One connector over several passes, for tests.

use super::tests::*;
use super::{Memory, Thresholds, assess};
use crate::domain::*;

/// A moment inside the window.
pub(crate) const AT: u32 = FIRST + 10_000;

pub(crate) const NAMESPACE: [(&str, &str); 2] = [("database", "shop"), ("collection", "orders")];

/// One connector over several passes of 15 s.
pub(crate) struct Story {
    memory: Memory,
    uptime: u64,
    pub(crate) facts: Facts,
    report: Option<ConnectorReport>,
}

impl Story {
    pub(crate) fn begin(position: u32, streams: Option<Vec<ChangeStream>>) -> Self {
        Self::with(position, streams, &[])
    }

    pub(crate) fn with(position: u32, streams: Option<Vec<ChangeStream>>, more: &[(&str, &str)]) -> Self {
        let mut connector = connector(token(position, 1));
        let config = NAMESPACE.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        connector.settings = Settings::from_config(&config);
        let facts = facts(connector, replica_set());
        let mut story = Self { memory: Memory::default(), uptime: 0, facts, report: None };
        story.pass(|facts| see(facts, streams));
        story
    }

    /// Changes the facts and judges them.
    pub(crate) fn pass(&mut self, change: impl FnOnce(&mut Facts)) -> &mut Self {
        change(&mut self.facts);
        let (mut snapshot, memory) =
            assess(&self.memory, &self.facts, &Thresholds::default(), now(self.uptime));
        self.uptime += 15;
        self.memory = memory;
        self.report = (!snapshot.connectors.is_empty()).then(|| snapshot.connectors.remove(0));
        self
    }

    /// What came of it.
    pub(crate) fn into_parts(self) -> (Memory, Facts) {
        (self.memory, self.facts)
    }

    /// Passes in which nothing happens, a flush long and one more.
    pub(crate) fn a_flush_goes_by(&mut self) -> &mut Self {
        for _ in 0..5 {
            self.pass(|_| {});
        }
        self
    }

    pub(crate) fn report(&self) -> &ConnectorReport {
        self.report.as_ref().unwrap()
    }

    #[track_caller]
    pub(crate) fn found(&self, expected: &[(Outcome, u32, u32)]) {
        let found = &self.report().discontinuities;
        let found: Vec<_> = found.iter().map(|found| (found.outcome, found.from.t, found.to.t)).collect();
        assert_eq!(found, expected);
    }
}

/// By the server's clock.
pub(crate) fn a_day_goes_by(facts: &mut Facts) {
    let member = &mut facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0];
    member.last = member.last.map(|last| Timestamp { t: last.t + 86_400, ..last });
}

pub(crate) fn see(facts: &mut Facts, streams: Option<Vec<ChangeStream>>) {
    facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0].streams = streams;
}

pub(crate) fn opened(created: u32, start: StreamStart) -> Option<Vec<ChangeStream>> {
    let stream = ChangeStream {
        namespace: "shop.orders".into(),
        created_ms: i64::from(created) * 1000 + 250,
        last_read: None,
        start,
    };
    Some(vec![stream])
}

pub(crate) fn after(t: u32) -> StreamStart {
    StreamStart::After(Timestamp { t, i: 1 })
}

pub(crate) fn stored(facts: &mut Facts, t: u32) {
    facts.connectors[0].offset = token(t, 1);
}

/// The oldest entry becomes this one.
pub(crate) fn roll(facts: &mut Facts, t: u32) {
    let member = &mut facts.deployments.get_mut("rs0").unwrap().members.as_mut().unwrap()[0];
    member.first = Ok(FirstEntry { time: Timestamp { t, i: 1 }, initiating: false });
}

pub(crate) fn fail(facts: &mut Facts) {
    facts.connectors[0].tasks = failed(Some(286), FailureClass::HistoryLost);
}

pub(crate) fn stop(facts: &mut Facts) {
    facts.connectors[0].state = Ok(ConnectorState::Stopped);
    facts.connectors[0].tasks = vec![];
}

pub(crate) fn run(facts: &mut Facts) {
    facts.connectors[0].state = Ok(ConnectorState::Running);
    facts.connectors[0].tasks = vec![task(TaskState::Running, None)];
}
