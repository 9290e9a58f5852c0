//! What systemd is told where it has started us and asks for it (`Type=notify`): when we are ready, that passes advance, how things
//! stand. Elsewhere all of this does nothing.

use super::Board;
use resumeguard_core::domain::{Snapshot, Verdict};
use resumeguard_core::recovery::Mode;
use sd_notify::NotifyState;
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Told and not sent yet: more than a reload and a few passes say.
const WAITING: usize = 32;

/// What systemd is told, in one datagram.
enum Message {
    States(Vec<NotifyState<'static>>),
    Status(String),
    /// The last one; answered once it is sent.
    Stopping(SyncSender<()>),
}

/// How long the end waits for systemd to have been told of it.
const LAST_WORD: Duration = Duration::from_millis(200);

/// From a thread of its own: to send waits while nobody reads at the other end, and a pass must not wait for that. The thread that feeds
/// the watchdog is the same, so whoever reads again is told in order.
fn tell(message: Message) {
    static TELLER: LazyLock<Option<SyncSender<Message>>> = LazyLock::new(teller);
    if let Some(teller) = &*TELLER
        && teller.try_send(message).is_err()
    {
        tracing::warn!("systemd has not taken what it was told for a while: nobody reads its socket");
    }
}

/// `None` where nobody wants to be told anything.
fn teller() -> Option<SyncSender<Message>> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (sender, messages) = sync_channel::<Message>(WAITING);
    let spawned = std::thread::Builder::new().name("systemd".to_owned()).spawn(move || {
        for message in messages {
            let sent = match &message {
                Message::States(states) => sd_notify::notify(states),
                Message::Status(line) => sd_notify::notify(&[NotifyState::Status(line)]),
                Message::Stopping(sent) => {
                    let told = sd_notify::notify(&[NotifyState::Stopping]);
                    // Whoever waits no longer has ended.
                    sent.try_send(()).ok();
                    told
                }
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "systemd cannot be told how things stand");
            }
        }
    });
    let failed =
        spawned.inspect_err(|error| tracing::error!(%error, "no thread to tell systemd how things stand"));
    failed.is_ok().then_some(sender)
}

/// Everything is open and the first pass begins.
pub fn ready() {
    tell(Message::States(vec![NotifyState::Ready]));
}

/// The configuration is read again; [`ready`] says when that is over.
///
/// In one datagram with the time: systemd from 253 on fails the reload without it.
pub fn reloading() {
    let state = NotifyState::monotonic_usec_now();
    if let Ok(now) = state {
        tell(Message::States(vec![NotifyState::Reloading, now]));
    }
}

/// No pass begins any more. Waits for a moment until that is told.
pub fn stopping() {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (sent, told) = sync_channel(1);
    tell(Message::Stopping(sent));
    told.recv_timeout(LAST_WORD).ok();
}

/// The line of `systemctl status`.
pub fn status(snapshot: &Snapshot, mode: Mode) {
    tell(Message::Status(line(snapshot, mode)));
}

/// Tells the watchdog twice in its time that passes advance, as long as they do; never ends.
pub async fn feed_watchdog(board: Board) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(patience / 2);
    loop {
        ticks.tick().await;
        if board.is_alive() {
            tell(Message::States(vec![NotifyState::Watchdog]));
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
