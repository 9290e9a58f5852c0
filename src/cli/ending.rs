//! Bringing attempts to their end: one that was begun just now, and those that an earlier process has left open.

use super::at_desk::Counter;
use super::{Failure, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::recovery::Told;
use crate::recovery::{Desk, standing};
use crate::signals;
use resumeguard_core::recovery::{Attempt, AttemptId};
use std::pin::Pin;
use std::time::Duration;

/// How often an attempt that is under way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longer, nobody sits in front of a terminal. The daemon goes on by itself; where there is none, nobody does.
const WATCHED_FOR: Duration = Duration::from_secs(30 * 60);

/// Waits for ends, unless this process is told to end first.
pub(super) struct Ending {
    stop: Pin<Box<dyn Future<Output = &'static str> + Send>>,
    clock: Clock,
}

impl Ending {
    /// From now on SIGINT and SIGTERM are answered here.
    pub(super) fn new(clock: Clock) -> Result<Self, Failure> {
        let stop = signals::stop().map_err(|error| Failure::new(Outcome::Unreachable, error))?;
        Ok(Self { stop: Box::pin(stop), clock })
    }

    /// Does something that leaves nothing behind when it is broken off.
    pub(super) async fn unless_stopped<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            signal = &mut self.stop => {
                Err(Failure::new(Outcome::Negative, format!("ended by {signal}: nothing was begun")))
            }
        }
    }

    /// Brings to its end what an earlier process has left open in the Connect clusters that are watched here, and says so; what
    /// that was. While it is open nothing else may begin there, and nobody else goes on with it.
    pub(super) async fn what_is_open(
        &mut self,
        counter: &mut Counter,
        config: &Config,
    ) -> Result<Vec<Attempt>, Failure> {
        let Counter::Own { desk, .. } = counter else { return Ok(Vec::new()) };
        let desk = desk.clone();
        let ledger = desk.ledger();
        let (ours, others): (Vec<&Attempt>, Vec<&Attempt>) = ledger.open_attempts().partition(|open| {
            config.connect.iter().any(|cluster| cluster.name == open.plan.connector.connect_cluster)
        });
        for other in others {
            eprintln!("{}: its Connect cluster is not configured here, so that it is left", left_open(other));
        }
        let Some(first) = ours.first() else { return Ok(Vec::new()) };
        if let Some(reason) = desk.frozen() {
            let line = format!("recovery is frozen: {reason}; {}", left_open(first));
            return Err(Failure::new(Outcome::Negative, line));
        }
        for open in &ours {
            eprintln!("{}: it is brought to its end first", left_open(open));
        }
        self.unless_stopped(counter.reach()).await.map_err(|failure| {
            Failure::new(failure.outcome, format!("{}; {}", failure.line, left_open(first)))
        })?;
        let mut ended = Vec::new();
        for open in ours {
            ended.push(self.at_own_desk(&desk, &open.id).await?);
        }
        Ok(ended)
    }

    /// Until this attempt has ended, and how. Of one that the daemon walks, its story so far after half an hour.
    pub(super) async fn of(&mut self, counter: &Counter, attempt: &str) -> Result<Told, Failure> {
        if let Counter::Own { desk, .. } = counter {
            self.at_own_desk(desk, &AttemptId(attempt.to_owned())).await?;
            return counter.story(attempt).await;
        }
        let begun = self.clock.uptime();
        loop {
            let told = counter.story(attempt).await?;
            if told.attempt.ended.is_some() || self.clock.uptime().saturating_sub(begun) > WATCHED_FOR {
                return Ok(told);
            }
            if let Some(signal) = self.pause().await {
                let line = format!(
                    "ended by {signal}: the daemon goes on with it; see resumeguard recovery show {attempt}"
                );
                return Err(Failure::new(Outcome::Negative, line));
            }
        }
    }

    /// However long that takes: whoever leaves, leaves a connector behind that may stand stopped.
    async fn at_own_desk(&mut self, desk: &Desk, id: &AttemptId) -> Result<Attempt, Failure> {
        loop {
            // Also after a journal that could not be written for a moment.
            desk.take_up(id);
            match desk.ledger().attempt(id) {
                Some(attempt) if attempt.ended.is_some() => return Ok(attempt.clone()),
                Some(_) => {}
                None => {
                    return Err(Failure::new(Outcome::Negative, format!("the journal has no attempt {id}")));
                }
            }
            if let Some(signal) = self.pause().await {
                // What is under way writes nothing more, and so does nothing more.
                desk.close().await;
                let ledger = desk.ledger();
                let left = ledger.attempt(id).map(left_open).unwrap_or_default();
                let line = format!(
                    "ended by {signal}: {left}; `resumeguard recovery run` or `restore` goes on with it, and so does the daemon"
                );
                return Err(Failure::new(Outcome::Negative, line));
            }
        }
    }

    /// A moment; `Some` where this process is told to end.
    async fn pause(&mut self) -> Option<&'static str> {
        tokio::select! {
            signal = &mut self.stop => Some(signal),
            () = tokio::time::sleep(LOOK_EVERY) => None,
        }
    }
}

fn left_open(attempt: &Attempt) -> String {
    format!("attempt {} at {} is open ({})", attempt.id, attempt.plan.connector, standing(attempt))
}
