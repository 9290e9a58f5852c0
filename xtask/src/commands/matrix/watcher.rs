//! Reads every status that the daemon publishes, and holds it against what is expected and against what must never be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::sync::oneshot;
use xtask::{Seen, Stopwatch, wait_until};

use super::super::daemon::Daemon;
use super::expected::{Expected, alarms, find, proven_losses, seen};

/// Ten looks at every pass: none is missed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A pass ends within its interval, or the daemon hangs.
const PASS_LIMIT: Duration = Duration::from_secs(30);

/// What must hold of a connector for as long as it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vow {
    /// Nothing is wrong with it: safe (or honestly unknown), and no finding above `info`.
    Calm,
    /// Its position is never called lost, nor any history.
    NeverLost,
    /// No loss of history is ever told of it.
    NothingSkipped,
}

impl Vow {
    /// What breaks it.
    fn broken_by(self, connector: &Value) -> Option<String> {
        let verdict = connector["verdict"].as_str().unwrap_or("absent");
        let skipped = proven_losses(connector) > 0;
        let broken = match self {
            // A connector that is not listed in this pass is not called anything.
            _ if connector.is_null() => false,
            Self::Calm => !["safe", "unknown"].contains(&verdict) || !alarms(connector).is_empty(),
            Self::NeverLost => verdict == "lost" || skipped,
            Self::NothingSkipped => skipped,
        };
        let headroom = &connector["headroom_seconds"];
        broken.then(|| {
            format!("{}, headroom {headroom} s, ratio {}", seen(connector), connector["headroom_ratio"])
        })
    }
}

/// An expectation that has not come true yet.
#[derive(Debug)]
struct Pending {
    connector: String,
    expected: Expected,
    since: Moment,
    tell: oneshot::Sender<Detection>,
}

/// When it was: passes published, and time since the watch began.
#[derive(Clone, Copy, Debug)]
struct Moment {
    passes: u64,
    at: Duration,
}

/// An expectation that came true.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    /// From the fault to the status.
    pub(super) after: Duration,
    /// Passes that began after the fault, up to the one that showed it.
    pub(super) passes: u64,
    pub(super) seen: String,
}

#[derive(Debug, Default)]
struct Book {
    passes: u64,
    status: Value,
    pending: Vec<Pending>,
    vows: Vec<(String, Vow)>,
    broken: Vec<String>,
    calm_looks: u64,
    unknown_looks: BTreeMap<String, u64>,
}

/// Watches one daemon.
#[derive(Debug)]
pub(super) struct Watcher {
    watch: Stopwatch,
    book: Mutex<Book>,
}

/// What was seen of the connectors that had to stay calm.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    /// Looks at a connector that is to stay calm, one a pass.
    pub(super) looks: u64,
    /// Those at which its verdict was unknown, by reason.
    pub(super) unknown: BTreeMap<String, u64>,
    /// Every vow that was broken.
    pub(super) broken: Vec<String>,
}

impl Watcher {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { watch: Stopwatch::start(), book: Mutex::default() })
    }

    /// Looks again and again. Returns, with an error, only if the daemon ends or stays silent.
    pub(super) async fn run(&self, daemon: &Daemon) -> Result<()> {
        loop {
            let (passes, status) = look(daemon).await?;
            self.take(passes, status);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Passes that the daemon has published.
    pub(super) fn passes(&self) -> u64 {
        self.locked().passes
    }

    /// What the daemon says now of a connector.
    pub(super) fn seen(&self, connector: &str) -> String {
        seen(find(&self.locked().status, connector))
    }

    /// Waits for a pass that has begun after this call.
    pub(super) async fn another_pass(&self) -> Result<()> {
        let begun = self.passes();
        wait_until("another pass", PASS_LIMIT, async || {
            let passes = self.passes();
            // One may be under way already.
            Ok(if passes >= begun + 2 { Seen::Yes(()) } else { Seen::Not(format!("{passes} passes")) })
        })
        .await
    }

    /// Whether the newest status says it.
    pub(super) fn holds(&self, connector: &str, expected: Expected) -> bool {
        expected.holds(find(&self.locked().status, connector))
    }

    /// Expects something from now on; tells when it has come true.
    pub(super) fn expect(&self, connector: &str, expected: Expected) -> oneshot::Receiver<Detection> {
        let (tell, told) = oneshot::channel();
        let mut book = self.locked();
        let since = Moment { passes: book.passes, at: self.watch.elapsed() };
        book.pending.push(Pending { connector: connector.to_owned(), expected, since, tell });
        told
    }

    /// Holds the daemon to a vow from now on.
    pub(super) fn vow(&self, connector: &str, vow: Vow) {
        self.locked().vows.push((connector.to_owned(), vow));
    }

    /// Forgets a connector that is to be deleted.
    pub(super) fn release(&self, connector: &str) {
        self.locked().vows.retain(|(name, _)| name != connector);
    }

    /// The vows that were broken by a connector.
    pub(super) fn broken_by(&self, connector: &str) -> Vec<String> {
        let book = self.locked();
        book.broken.iter().filter(|text| text.starts_with(&format!("{connector}: "))).cloned().collect()
    }

    /// What was seen of those that had to stay calm.
    pub(super) fn beside(&self) -> Beside {
        let book = self.locked();
        Beside { looks: book.calm_looks, unknown: book.unknown_looks.clone(), broken: book.broken.clone() }
    }

    /// Every pass counts once.
    fn take(&self, passes: u64, status: Value) {
        let mut book = self.locked();
        let now = Moment { passes, at: self.watch.elapsed() };
        if passes > book.passes {
            keep_vows(&mut book, &status);
        }
        book.passes = passes;
        let pending = std::mem::take(&mut book.pending);
        for pending in pending {
            let connector = find(&status, &pending.connector);
            if pending.expected.holds(connector) {
                // Whoever waited may have given up.
                pending.tell.send(detection(pending.since, now, connector)).ok();
            } else if !pending.tell.is_closed() {
                book.pending.push(pending);
            }
        }
        book.status = status;
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn detection(since: Moment, now: Moment, connector: &Value) -> Detection {
    // One pass may have been under way at the fault: it may have read before.
    let passes = now.passes.saturating_sub(since.passes).saturating_sub(1);
    Detection { after: now.at.saturating_sub(since.at), passes, seen: seen(connector) }
}

fn keep_vows(book: &mut Book, status: &Value) {
    for (name, vow) in book.vows.clone() {
        let connector = find(status, &name);
        if vow == Vow::Calm {
            book.calm_looks += 1;
            let why = if connector.is_null() { Some("not_listed") } else { connector["why"].as_str() };
            if let Some(why) = why {
                *book.unknown_looks.entry(why.to_owned()).or_default() += 1;
            }
        }
        if let Some(seen) = vow.broken_by(connector) {
            let text = format!("{name}: {vow:?}, yet {seen}");
            if !book.broken.contains(&text) {
                book.broken.push(text);
            }
        }
    }
}

/// A status with the number of its pass: the same before and after that was asked.
async fn look(daemon: &Daemon) -> Result<(u64, Value)> {
    loop {
        ensure!(daemon.is_alive(), "resumeguard ended");
        let before = daemon.status().await.context("resumeguard does not answer")?;
        let page = daemon.get("/metrics").await?;
        let passes = page.lines().find_map(|line| line.strip_prefix("resumeguard_passes_total "));
        let passes = passes.and_then(|count| count.trim().parse().ok()).context("no passes_total")?;
        if daemon.status().await? == before {
            return Ok((passes, before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(verdict: &str, findings: &Value) -> Value {
        let why = (verdict == "unknown").then_some("stale");
        json!({ "connectors": [{ "connector": "a", "verdict": verdict, "why": why, "findings": findings }] })
    }

    #[test]
    fn an_expectation_comes_true_once_and_counts_whole_passes() {
        let watcher = Watcher::new();
        watcher.take(7, status("safe", &json!([])));
        let lost = Expected { verdict: Some("lost"), ..Expected::default() };
        let mut told = watcher.expect("a", lost);
        watcher.take(8, status("safe", &json!([])));
        assert!(told.try_recv().is_err());
        watcher.take(9, status("lost", &json!([])));
        let detection = told.try_recv().unwrap();
        assert_eq!((detection.passes, detection.seen.as_str()), (1, "lost ?"));
    }

    #[test]
    fn a_broken_vow_is_told_once_and_unknown_is_counted() {
        let watcher = Watcher::new();
        watcher.vow("a", Vow::Calm);
        watcher.take(1, status("safe", &json!([{ "rule": "RG020", "severity": "info" }])));
        watcher.take(2, status("unknown", &json!([])));
        assert_eq!(watcher.beside().broken, Vec::<String>::new());
        for pass in 3..6 {
            watcher.take(pass, status("safe", &json!([{ "rule": "RG003", "severity": "warning" }])));
        }
        // The same pass, looked at again.
        watcher.take(5, status("at_risk", &json!([])));
        let beside = watcher.beside();
        assert_eq!((beside.looks, beside.unknown), (5, BTreeMap::from([("stale".to_owned(), 1)])));
        assert_eq!(beside.broken, ["a: Calm, yet safe ? RG003, headroom null s, ratio null"]);
        assert_eq!(watcher.broken_by("a").len(), 1);
        watcher.release("a");
        watcher.take(6, status("at_risk", &json!([])));
        assert_eq!(watcher.beside().looks, 5);
    }
}
