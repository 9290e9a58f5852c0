//! A decoder in a process of its own, which stays warm between rounds.
//!
//! It reads orders, one a line, and answers each with one line:
//! - `corpus LEVEL TOKEN,TOKEN,…`: takes these tokens; a digit each, 1 if it can be read;
//! - `round LEVEL MILLISECONDS`: decodes all of them again and again for so long; how often, in how many nanoseconds, and
//!   the sum of all seconds read, which keeps the work from being optimised away.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How much of a token is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Full,
    Time,
    /// Full, with type bits: `DATA:TYPEBITS` where a token has some, the latter in base64. Only ours.
    Whole,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Time => "time",
            Self::Whole => "whole",
        }
    }
}

/// A decoder under measurement; killed when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    name: &'static str,
    level: Level,
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    tokens: u64,
}

/// What one round showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) nanoseconds_a_token: f64,
    /// The same for everybody who reads the same tokens right.
    pub(crate) seconds_a_pass: u64,
}

impl Peer {
    pub(crate) fn start(name: &'static str, level: Level, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let orders = process.stdin.take().context("no stdin")?;
        let answers = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        Ok(Self { name, level, _process: process, orders, answers, tokens: 0 })
    }

    /// Takes the tokens; returns those that it can read.
    pub(crate) async fn read(&mut self, corpus: &[String]) -> Result<Vec<String>> {
        self.tokens = u64::try_from(corpus.len())?;
        let answer = self.ask("corpus", &corpus.join(",")).await?;
        ensure!(answer.len() == corpus.len(), "{}: {answer:?} for {} tokens", self.name, corpus.len());
        let read = corpus.iter().zip(answer.bytes()).filter(|(_, digit)| *digit == b'1');
        Ok(read.map(|(token, _)| token.clone()).collect())
    }

    pub(crate) async fn round(&mut self, length: Duration) -> Result<Round> {
        let answer = self.ask("round", &length.as_millis().to_string()).await?;
        let numbers: Vec<u64> = answer.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [passes, nanoseconds, sum] = numbers[..] else {
            anyhow::bail!("{}: not a round's answer: {answer:?}", self.name)
        };
        ensure!(
            passes > 0 && sum.is_multiple_of(passes),
            "{}: {sum} is not the sum of {passes} passes",
            self.name
        );

        let nanoseconds_a_token = nanoseconds as f64 / (passes * self.tokens) as f64;
        Ok(Round { nanoseconds_a_token, seconds_a_pass: sum / passes })
    }

    async fn ask(&mut self, order: &str, argument: &str) -> Result<String> {
        let line = format!("{order} {} {argument}\n", self.level.word());
        self.orders.write_all(line.as_bytes()).await.with_context(|| format!("{} is gone", self.name))?;
        self.answers.next_line().await?.with_context(|| format!("{} has ended", self.name))
    }
}
