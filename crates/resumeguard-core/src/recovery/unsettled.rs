//! What was sent, and was never seen to be done: it may still come, after whatever the world shows now.
//!
//! A gateway answers 502 or 504 while a worker goes on; a worker answers 500 to what it does later; a process dies between a
//! request and its answer. What is asked for after it about the same thing, and is seen to be done, replaces it: a worker takes
//! requests in their order.

use super::attempt::{Attempt, Taken};
use super::{Phase, Step};
use crate::domain::ConnectorState;
use std::collections::BTreeMap;

/// What a step changes; of two that change the same, the later counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About<'a> {
    /// Whether it, or its worker, runs.
    Order,
    /// What is stored under a key.
    Offset(&'a str),
    /// A key of its configuration.
    Setting(&'a str),
    /// How large the oplog may grow.
    Oplog,
}

/// A marker is left out: its removal is told by the server itself.
fn subjects(taken: &Taken) -> Vec<About<'_>> {
    let step = &taken.step;
    let order =
        matches!(step, Step::Stop | Step::StopWorker | Step::Resume | Step::Pause | Step::StartWorker);
    let settings = taken.will.config.keys().map(|key| About::Setting(key));
    let others = [
        order.then_some(About::Order),
        step.partition().map(About::Offset),
        matches!(step, Step::ResizeOplog { .. }).then_some(About::Oplog),
    ];
    settings.chain(others.into_iter().flatten()).collect()
}

impl Attempt {
    /// The last that was sent about this, where it was never seen to be done.
    pub(super) fn may_come(&self, about: About<'_>) -> Option<&Taken> {
        let mut sent = self.taken.iter().rev().filter(|taken| taken.acted);
        sent.find(|taken| subjects(taken).contains(&about)).filter(|taken| self.is_unsettled(taken))
    }

    /// A step of which nobody can say that it will not come any more.
    #[must_use]
    pub fn unsettled(&self) -> Option<&Taken> {
        self.last_unsettled(|_| true)
    }

    /// The same, had nothing been put back.
    pub(super) fn leaves_unsettled(&self) -> bool {
        self.last_unsettled(|taken| taken.phase == Phase::Forward).is_some()
    }

    /// The steps that led on have asked for this, and nobody knows whether it comes.
    pub(super) fn leaves_unsettled_setting(&self, key: &str) -> bool {
        let mut sent = self.taken.iter().rev().filter(|taken| taken.acted && taken.phase == Phase::Forward);
        sent.find(|taken| taken.will.config.contains_key(key)).is_some_and(|taken| self.is_unsettled(taken))
    }

    fn last_unsettled(&self, counts: impl Fn(&Taken) -> bool) -> Option<&Taken> {
        let mut last = BTreeMap::new();
        for taken in self.taken.iter().filter(|taken| taken.acted && counts(taken)) {
            last.extend(subjects(taken).into_iter().map(|about| (about, taken)));
        }
        last.into_values().find(|taken| self.is_unsettled(taken))
    }

    fn is_unsettled(&self, taken: &Taken) -> bool {
        let stood = matches!(self.plan.expects.state, ConnectorState::Paused | ConnectorState::Stopped);
        // Started late, it is as it was, unless it stood.
        let as_it_was =
            matches!(taken.step, Step::Pause | Step::StartWorker) || (taken.step == Step::Resume && !stood);
        // A worker's file is edited at once or not at all.
        let in_a_file = taken.step.partition().is_some() && self.plan.steps.contains(&Step::StopWorker);
        !taken.is_done() && !as_it_was && !in_a_file
    }

    /// As if the step that is open, however often it was begun, had never been: what comes next is decided so where the world
    /// does not show it. What it may have stored is known all the same.
    pub(super) fn before_what_is_open(&self) -> Self {
        let mut before = self.clone();
        for open in before.taken.iter_mut().rev().take_while(|open| open.outcome.is_none()) {
            let says = "it was not taken".to_owned();
            open.outcome = Some((super::Outcome::NotSent { says }, open.at_ms));
            open.acted = false;
        }
        before
    }
}
