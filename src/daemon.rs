//! The daemon: wiring only. Observe, assess, publish; again at the next interval, until told to stop.

use crate::clock::Clock;
use crate::config::Config;
use crate::publish::status::{Status, Tokens};
use crate::publish::{Board, Published, VerdictLog, http, metrics, page};
use crate::sources::Observer;
use anyhow::Context as _;
use resumeguard_core::assess::{Memory, Thresholds, assess};
use resumeguard_core::domain::Snapshot;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

/// One pass after the other, with the memory between them.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    observer: Observer,
    thresholds: Thresholds,
    memory: Memory,
    own: metrics::Own,
    interval: Duration,
}

impl Watch {
    /// A watch that has seen nothing.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            clock,
            observer: Observer::new(config)?,
            thresholds: config.thresholds.clone(),
            memory: Memory::default(),
            own: metrics::Own::default(),
            interval: config.poll.interval,
        })
    }

    /// One pass.
    pub async fn pass(&mut self) -> Snapshot {
        let begun = self.clock.uptime();
        let facts = self.observer.observe(&self.clock).await;
        let (snapshot, memory) = assess(&self.memory, &facts, &self.thresholds, self.clock.now());
        self.memory = memory;
        self.own.passes += 1;
        self.own.durations.observe(self.clock.uptime().saturating_sub(begun).as_secs_f64());
        snapshot
    }

    /// Asks servers about what this pass could not settle, in the background: the next pass knows the answers. Not for a
    /// pass that is the only one.
    pub fn ask(&mut self, snapshot: &Snapshot) {
        self.observer.ask(snapshot, &self.thresholds, &self.clock);
    }

    /// Renders a pass.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> Published {
        // Nobody can be told apart yet, so nobody sees tokens.
        let status = Status::new(snapshot, Tokens::Hidden);
        let json = serde_json::to_vec(&status).unwrap_or_else(|error| {
            tracing::error!(%error, "the status could not be written as JSON");
            Vec::new()
        });
        let own = [metrics::own(self.observer.meters(), &self.own), metrics::process()].concat();
        Published {
            at: self.clock.uptime(),
            subjects: metrics::subjects(snapshot).into(),
            own: own.into(),
            status: json.into(),
            page: page::render(&status, self.interval.as_secs().max(1)).into(),
        }
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Where the address cannot be listened on, or the server or the loop ends by itself.
pub async fn run(config: &Config, clock: Clock) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (http.listen)", config.listen))?;
    let board = Board::new(clock, config.poll.interval);
    let mut watch = Watch::new(config, clock)?;
    // Port 0 means any: say which one it became.
    let listen = listener.local_addr().unwrap_or(config.listen);
    tracing::info!(%listen, connect_clusters = config.connect.len(), "watching");
    let server = axum::serve(listener, http::router(board.clone()));
    let passes = async {
        let mut log = VerdictLog::default();
        let mut ticks = tokio::time::interval(config.poll.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let snapshot = watch.pass().await;
            log.pass(&snapshot);
            board.put(watch.render(&snapshot));
            watch.ask(&snapshot);
        }
    };
    tokio::select! {
        () = passes => anyhow::bail!("the passes ended by themselves"),
        ended = server => ended.context("the HTTP server ended by itself"),
        signal = stop_signal() => {
            tracing::info!(signal = signal?, "stopping");
            Ok(())
        }
    }
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => Ok("SIGTERM"),
        _ = int.recv() => Ok("SIGINT"),
    }
}
