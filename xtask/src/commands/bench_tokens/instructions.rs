//! `cargo xtask bench-tokens --instructions`: a guard that a busy machine does not disturb.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use xtask::{Need, Progress, ensure as ensure_machine};

use super::super::cargo::{build_example, workspace};

/// Above this the decoder has got slower.
const TOLERANCE: f64 = 1.05;
/// Enough for what is done once to vanish beside the rest.
const ROUNDS: u64 = 20;

/// Instructions a token, by how much of it is read; what the compiler was when they were counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Counts {
    rustc: String,
    instructions_a_token: BTreeMap<String, u64>,
}

pub(crate) async fn run(update: bool, progress: &Progress) -> Result<ExitCode> {
    if update {
        let counts = count(progress).await?;
        std::fs::write(committed_path()?, serde_json::to_string_pretty(&counts)? + "\n")?;
        println!("{}", serde_json::to_string(&counts)?);
        return Ok(ExitCode::SUCCESS);
    }
    compare(progress).await.map(|()| ExitCode::SUCCESS)
}

/// Counts, and compares with what is committed.
pub(crate) async fn compare(progress: &Progress) -> Result<()> {
    let path = committed_path()?;
    let committed =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let committed: Counts = serde_json::from_str(&committed)?;
    let counts = count(progress).await?;
    let slower = slower(&committed, &counts);
    println!("{}", serde_json::to_string(&counts)?);
    ensure!(
        slower.is_empty(),
        "the decoder takes more instructions than {} allows: {}. If it must, or only rustc has changed ({} then, {} now): \
         cargo xtask bench-tokens --instructions --update",
        path.display(),
        slower.join(", "),
        committed.rustc,
        counts.rustc,
    );
    Ok(())
}

fn committed_path() -> Result<PathBuf> {
    Ok(workspace()?.join("xtask/bench/instructions.json"))
}

/// Where more instructions are taken than the committed count and its tolerance allow.
fn slower(committed: &Counts, counts: &Counts) -> Vec<String> {
    let mut slower = Vec::new();
    for (level, now) in &counts.instructions_a_token {
        let then = committed.instructions_a_token.get(level).copied().unwrap_or(0);

        if *now as f64 > then as f64 * TOLERANCE {
            slower.push(format!("{level} {now} a token instead of {then}"));
        }
    }
    slower
}

async fn count(progress: &Progress) -> Result<Counts> {
    ensure_machine(&[Need::Valgrind], progress).await?;
    let step = progress.step("count instructions");
    let subject = build_example("decode_corpus", &step).await?;
    let (nothing, tokens) = instructions(&subject, "none").await?;
    let mut instructions_a_token = BTreeMap::new();
    for level in ["time", "full", "look"] {
        let (taken, _) = instructions(&subject, level).await?;
        instructions_a_token.insert(level.to_owned(), taken.saturating_sub(nothing) / tokens);
    }
    step.done("counted");
    Ok(Counts { rustc: rustc().await?, instructions_a_token })
}

/// All that one run takes, and of how many tokens.
async fn instructions(subject: &Path, level: &str) -> Result<(u64, u64)> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(subject)
        .args([level, &ROUNDS.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run valgrind")?;
    let (said, told) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.success(), "valgrind: {}\n{said}", output.status);
    let count = said.lines().find_map(|line| line.split_once("I   refs:").or(line.split_once("I refs:")));
    let count = count.context("valgrind counted nothing")?.1.trim().replace(',', "").parse()?;
    // `full: 2760 of 2760 tokens`
    let tokens = told.split(' ').nth(3).and_then(|number| number.parse().ok());
    Ok((count, tokens.with_context(|| format!("decode_corpus said {told:?}"))?))
}

async fn rustc() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().await.context("cannot run rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(full: u64) -> Counts {
        let instructions_a_token = BTreeMap::from([("full".to_owned(), full)]);
        Counts { rustc: "rustc 1".to_owned(), instructions_a_token }
    }

    #[test]
    fn a_twentieth_more_is_let_pass() {
        assert_eq!(slower(&counts(1000), &counts(1050)), Vec::<String>::new());
        assert_eq!(slower(&counts(1000), &counts(900)), Vec::<String>::new());
        assert_eq!(slower(&counts(1000), &counts(1051)), ["full 1051 a token instead of 1000"]);
    }
}
