//! Waiting for a standalone worker that somebody, or a command, stops and starts.

use super::Hands;
use super::actions::{Sent, Writer};
use super::away::Away;
use super::hooks;
use super::take::{done, failed};
use super::walk::{AGAIN, Turn, Walk};
use super::worker::{Standing, Worker};
use super::world::LOOK;
use crate::sources::offsets::file::read_whole;
use resumeguard_core::recovery::{Attempt, Outcome, Phase, Step};
use std::time::Duration;

/// How long somebody may take to stop it; nothing is changed until then.
const STOPS: Duration = Duration::from_secs(30 * 60);
/// How long somebody may take to start it: whoever gives up leaves it to them, and the outcome unknown.
const STARTS: Duration = Duration::from_secs(86_400);
/// A worker that still answers so long after a command has failed to stop it is not being stopped: it closes its REST first.
const BELIEVED: Duration = Duration::from_secs(60);
/// So long nothing may be left of it, and its file be the same: a process that was killed leaves no more than that.
const STILL: Duration = Duration::from_secs(2);

impl Walk<'_> {
    /// Has the worker stopped or started by its command; where there is none, says what a person has to do.
    pub(super) async fn order_worker(
        &self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        writer: &Writer<'_>,
    ) -> Sent {
        let Some(worker) = &hands.worker else {
            return Sent::Refused(
                "its worker's file is not configured any more (connect.NAME.offsets_file)".to_owned(),
            );
        };
        let stop = turn.step == Step::StopWorker;
        let event = if stop { "stop_worker" } else { "start_worker" };
        let environment = hooks::environment(event, attempt, None, None);
        let timeout = self.executor.settings().hooks.timeout;
        let Some(ordering) = writer.unless_frozen(|| worker.order(stop, timeout, environment)) else {
            return Sent::Held;
        };
        let (connector, id, url) = (&attempt.plan.connector, &attempt.id, &worker.url);
        match ordering.await {
            Some(Ok(())) => Sent::Accepted,
            Some(Err(line)) if stop => self.stops_all_the_same(worker, attempt, line).await,
            // It has to come up again, whoever starts it.
            Some(Err(line)) => {
                tracing::error!(%connector, attempt = %id, "{line}: START THE WORKER by hand");
                Sent::Accepted
            }
            None if stop => {
                tracing::warn!(%connector, attempt = %id, worker = %url, "STOP THE STANDALONE WORKER now (connect.NAME.stop_worker names no command): its file is edited as soon as it is down");
                Sent::Accepted
            }
            None => {
                tracing::warn!(%connector, attempt = %id, worker = %url, "START THE STANDALONE WORKER again: this attempt goes on once it is up");
                Sent::Accepted
            }
        }
    }

    /// A command that failed, or took too long and was killed, may have stopped it nevertheless, and left down it must not be.
    async fn stops_all_the_same(&self, worker: &Worker, attempt: &Attempt, line: String) -> Sent {
        let begun = self.uptime();
        while matches!(worker.listens().await, Standing::Up(_)) {
            if self.uptime().saturating_sub(begun) >= BELIEVED {
                return Sent::Refused(format!("{line}, and its worker is up"));
            }
            tokio::time::sleep(AGAIN).await;
        }
        let (connector, id) = (&attempt.plan.connector, &attempt.id);
        tracing::warn!(%connector, attempt = %id, "{line}; its worker stops all the same");
        Sent::Accepted
    }

    /// Until nothing is left that could write its file.
    pub(super) async fn until_down(&mut self, attempt: &Attempt, hands: &Hands) -> Outcome {
        let Some(worker) = &hands.worker else { return failed("its worker is not known any more") };
        let (begun, away) = (self.uptime(), Away::new(attempt, Phase::Forward));
        let mut down: Option<(Duration, Vec<u8>)> = None;
        loop {
            let says = match worker.standing().await {
                Standing::Down => match self.file_of(worker).await {
                    Ok(bytes) => match &down {
                        Some((since, before)) if *before == bytes => {
                            if self.uptime().saturating_sub(*since) >= STILL {
                                return done("its worker is down, and its file lies still");
                            }
                            "it has just gone down".to_owned()
                        }
                        _ => {
                            down = Some((self.uptime(), bytes));
                            "it has just gone down".to_owned()
                        }
                    },
                    Err(line) => line,
                },
                Standing::Up(line) | Standing::Unknown(line) => {
                    down = None;
                    line
                }
            };
            let since = self.uptime().saturating_sub(begun);
            if since >= STOPS {
                return failed(format!(
                    "its worker was not down within {} min: {says}",
                    STOPS.as_secs() / 60
                ));
            }
            away.tell(since, &says);
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn file_of(&self, worker: &Worker) -> Result<Vec<u8>, String> {
        let (path, clock) = (worker.file().to_owned(), self.executor.clock);
        let reading = tokio::task::spawn_blocking(move || read_whole(&path, clock, STILL));
        let read = tokio::time::timeout(LOOK, reading).await;
        let whole = read.map_err(|_| format!("its file could not be read within {LOOK:.0?}"))?;
        let whole = whole.map_err(|error| error.to_string())?;
        whole.map(|whole| whole.bytes).map_err(|error| error.to_string())
    }

    /// Until its REST knows the connector.
    pub(super) async fn until_up(&mut self, attempt: &Attempt, hands: &Hands) -> Result<(), Outcome> {
        let (begun, away) = (self.uptime(), Away::new(attempt, Phase::Forward));
        loop {
            let says = match super::world::status(hands, &attempt.plan.connector.connector).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => "it does not know the connector yet".to_owned(),
                Err(says) => says,
            };
            let since = self.uptime().saturating_sub(begun);
            if since >= STARTS {
                return Err(failed(format!(
                    "its worker was not up within {} h: {says}",
                    STARTS.as_secs() / 3600
                )));
            }
            away.tell(since, &says);
            tokio::time::sleep(AGAIN).await;
        }
    }
}
