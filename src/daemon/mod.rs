//! The daemon: wiring only. Observe, assess, publish; again at the next interval, until told to stop.

mod reload;
mod stuck;
mod watch;

pub use reload::{Load, Reloads};
pub use watch::Watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::Socket;
use crate::publish::http::{self, Room};
use crate::publish::{Board, VerdictLog, systemd};
use crate::recovery::Desk;
use crate::server::Server;
use crate::signals;
use anyhow::Context as _;
use axum::Router;
use reload::Reloading;
use resumeguard_core::recovery::Mode;
use tokio::time::MissedTickBehavior;

/// Runs until SIGTERM or SIGINT. `load` reads the configuration, now and whenever it is to be read again.
///
/// # Errors
/// Where the address cannot be listened on, or the server or the loop ends by itself.
pub async fn run(config: Config, load: Load, clock: Clock) -> anyhow::Result<()> {
    let mut stop = std::pin::pin!(signals::stop()?);
    // From the first moment: an unexpected SIGHUP would end the process.
    let hangups = signals::hangups()?;
    let server = Server::bind(&config.http, clock).await?;
    // Port 0 means any: say which one it became.
    let listen = server.address().unwrap_or(config.http.listen);
    tracing::info!(%listen, connect_clusters = config.connect.len(), "watching");
    // A disk that does not answer must not keep it from stopping either.
    let opened = async {
        let (watch, clock) = Watch::resumed(&config, clock).await?;
        let desk = Desk::open(&config, clock).await;
        anyhow::Ok((watch.recovering(desk.clone()), clock, desk))
    };
    let (mut watch, clock, desk) = tokio::select! {
        opened = opened => opened?,
        signal = &mut stop => {
            tracing::info!(signal, "stopping");
            return Ok(());
        }
    };
    let board = Board::new(clock, config.poll.interval);
    let reader = watch.reader();
    let socket = bound_socket(&config).await;
    let (reloads, reloading) = Reloading::new(config, load, clock);
    let room = Room {
        board: board.clone(),
        history: reader.clone(),
        desk: desk.clone(),
        reloads: Some(reloads.clone()),
    };
    let router = http::router(room);
    let server = server.serve(router.clone());
    let socket = served(socket, router);
    watch.tell_reload(reloading.state(), None);
    systemd::ready();
    let ended = tokio::select! {
        () = passes(watch, reloading, &board, &desk) => Err(anyhow::anyhow!("the passes ended by themselves")),
        () = server => Err(anyhow::anyhow!("the HTTP server ended by itself")),
        ended = socket => ended.context("the control socket ended by itself"),
        () = reload::on_hangup(hangups, reloads) => Err(anyhow::anyhow!("SIGHUP is not listened to any more")),
        () = systemd::feed_watchdog(board.clone()) => Err(anyhow::anyhow!("the watchdog is not fed any more")),
        signal = &mut stop => {
            tracing::info!(signal, "stopping");
            systemd::stopping();
            Ok(())
        }
    };
    desk.close().await;
    if let Some(reader) = reader {
        reader.close().await;
    }
    ended
}

/// One pass after the other, at the interval that is configured; between two of them another configuration may take its place.
async fn passes(mut watch: Watch, mut reloading: Reloading, board: &Board, desk: &Desk) {
    let mut log = VerdictLog::default();
    loop {
        let mut ticks = tokio::time::interval(reloading.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                request = reloading.wanted() => {
                    reloading.carry_out(request, &mut watch, board).await;
                    // At its usual time: two passes a moment apart would be no second look.
                    if reloading.interval() == ticks.period() {
                        continue;
                    }
                    break;
                }
            }
            stuck::reached().await;
            let snapshot = reloading.beside(watch.pass(), desk).await;
            log.pass(&snapshot);
            watch.recover();
            board.put(watch.render(&snapshot));
            systemd::status(&snapshot, desk.mode());
            watch.ask(&snapshot);
        }
    }
}

/// The control socket. Where there is none, that is said once, and everything else goes on.
async fn bound_socket(config: &Config) -> Option<Socket> {
    let off = config.recovery.policies.greatest_mode() == Mode::Off;
    let directory = config.recovery.directory.as_deref().filter(|_| !off)?;
    let bound = Socket::bind(directory).await;
    let said = bound.inspect_err(|error| {
        tracing::error!(%error, "there is no control socket: the recovery commands reach nobody");
    });
    said.ok()
}

async fn served(socket: Option<Socket>, router: Router) -> std::io::Result<()> {
    match socket {
        Some(socket) => socket.serve(router).await,
        None => std::future::pending().await,
    }
}
