//! The journal as a person reads it: with an ordinary SQLite, which Python brings.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(20);

const READ: &str = "
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.row_factory = sqlite3.Row
rows = lambda sql: [dict(row) for row in db.execute(sql)]
print(json.dumps({
    'check': db.execute('PRAGMA integrity_check').fetchone()[0],
    'entries': db.execute('SELECT count(*) FROM entry').fetchone()[0],
    'attempts': rows('SELECT attempt, strategy, outcome, says FROM attempts'),
    'steps': rows('SELECT attempt, phase, round, number, step, outcome, says FROM steps'),
}))
";

/// What it says.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Told {
    pub(super) check: String,
    pub(super) entries: u64,
    pub(super) attempts: Vec<Attempt>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Attempt {
    pub(super) attempt: String,
    pub(super) strategy: String,
    pub(super) outcome: String,
    pub(super) says: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Step {
    pub(super) attempt: String,
    pub(super) phase: String,
    pub(super) round: u32,
    pub(super) number: u32,
    pub(super) step: String,
    pub(super) outcome: String,
    pub(super) says: Option<String>,
}

impl Told {
    /// Reads the journal in that directory; nothing where there is none yet.
    pub(super) async fn read(directory: &Path) -> Result<Self> {
        let file = directory.join("journal.db");
        if std::fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
            return Ok(Self::default());
        }
        Ok(serde_json::from_str(&python(READ, &file).await?)?)
    }

    /// Every attempt has ended.
    pub(super) fn has_ended(&self) -> bool {
        !self.attempts.is_empty() && self.attempts.iter().all(|attempt| attempt.outcome != "open")
    }

    /// One line a step, for a row that went wrong.
    pub(super) fn story(&self) -> String {
        let step = |step: &Step| {
            let says = step.says.as_deref().unwrap_or("");
            format!("{} {} {}: {} {says}", step.phase, step.number, step.step, step.outcome)
        };
        let ended = self.attempts.iter().map(|attempt| {
            let says = attempt.says.as_deref().unwrap_or("");
            format!("{} {} {says}", attempt.strategy, attempt.outcome)
        });
        self.steps.iter().map(step).chain(ended).collect::<Vec<_>>().join("\n    ")
    }

    /// Steps of which an attempt says twice that it has carried them out.
    pub(super) fn done_twice(&self) -> Vec<String> {
        let done: Vec<&Step> = self.steps.iter().filter(|step| step.outcome == "done").collect();
        let key = |step: &Step| (step.attempt.clone(), step.phase.clone(), step.round, step.number);
        let again = |(at, step): (usize, &&Step)| {
            let before = done.iter().take(at).any(|before| key(before) == key(step));
            before.then(|| format!("{} {}", step.phase, step.step))
        };
        done.iter().enumerate().filter_map(again).collect()
    }
}

/// Runs a script on the file; what it printed.
pub(super) async fn python(script: &str, file: &Path) -> Result<String> {
    let mut command = Command::new("python3");
    command.arg("-c").arg(script).arg(file).stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = tokio::time::timeout(LIMIT, command.output()).await else {
        bail!("python3 did not read {} within {} s", file.display(), LIMIT.as_secs())
    };
    let output = output.context("cannot run python3: install it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} cannot be read: {said}", file.display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
