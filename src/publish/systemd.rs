//! What systemd is told where it has started us and asks for it (`Type=notify`): when we are ready, that passes advance, how things
//! stand. Elsewhere all of this does nothing.

use super::Board;
use resumeguard_core::domain::{Snapshot, Verdict};
use resumeguard_core::recovery::Mode;
use sd_notify::NotifyState;

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how things stand");
    }
}

/// Everything is open and the first pass begins.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] says when that is over.
///
/// In one datagram with the time: systemd from 253 on fails the reload without it.
pub fn reloading() {
    let state = NotifyState::monotonic_usec_now();
    if let Ok(now) = state {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// No pass begins any more.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The line of `systemctl status`.
pub fn status(snapshot: &Snapshot, mode: Mode) {
    tell(&[NotifyState::Status(&line(snapshot, mode))]);
}

/// Tells the watchdog twice in its time that passes advance, as long as they do; never ends.
pub async fn feed_watchdog(board: Board) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(patience / 2);
    loop {
        ticks.tick().await;
        if board.is_alive() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// How many connectors have which verdict, worst first, and the least headroom.
fn line(snapshot: &Snapshot, mode: Mode) -> String {
    let connectors = &snapshot.connectors;
    let mut counts: Vec<String> = Verdict::CODES
        .iter()
        .rev()
        .map(|code| (code, connectors.iter().filter(|report| report.verdict.code() == *code).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| format!("{count} {code}"))
        .collect();
    if counts.is_empty() {
        counts.push("none seen".to_owned());
    }
    let headrooms = connectors.iter().filter_map(|report| report.headroom_seconds);
    let least = headrooms.min().map_or(String::new(), |seconds| format!("; least headroom {seconds} s"));
    format!("connectors: {}{least}; recovery {}", counts.join(", "), mode.code())
}
