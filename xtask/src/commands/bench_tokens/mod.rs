//! `cargo xtask bench-tokens`: the decoder beside others, in one run.
//!
//! A *full* decode gives everything that a token says, at once: npm's decoder makes a JavaScript object of it, ours a
//! `Token` in which every number is computed and every text checked. Neither is then walked, and neither is given type
//! bits, which npm's does not know. *Time only* reads the seconds. *With type bits* ours decodes the same tokens whole:
//! there is nobody to set beside it, and no goal.

mod instructions;
mod peer;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::{Cache, Peers, Progress, Step};

use super::cargo::{build_example, workspace};
pub(crate) use instructions::compare as compare_instructions;
use peer::{Level, Peer};

/// Long enough for V8 and HotSpot to have compiled everything for good.
const WARM_UP: Duration = Duration::from_secs(2);
/// Short rounds taken in turns: what disturbs the machine disturbs both sides.
const ROUND: Duration = Duration::from_millis(500);
/// An odd number, so that there is a round in the middle.
const ROUNDS: usize = 9;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Counts instructions instead, and compares with the committed counts.
    #[arg(long)]
    instructions: bool,
    /// Writes today's counts over the committed ones: for a change that is worth its price, or another rustc.
    #[arg(long, requires = "instructions")]
    update: bool,
}

/// One decoder against ours.
struct Contest {
    name: &'static str,
    peer: &'static str,
    level: Level,
    /// So many times as fast ours must be.
    goal: f64,
}

const CONTESTS: [Contest; 2] = [
    Contest {
        name: "full decode",
        peer: "npm mongodb-resumetoken-decoder 1.1.2",
        level: Level::Full,
        goal: 100.0,
    },
    Contest { name: "time only", peer: "mongo-kafka-connect 2.0.1", level: Level::Time, goal: 1.0 },
];

/// What a contest showed, in nanoseconds a token.
struct Outcome {
    ours: f64,
    theirs: f64,
}

impl Outcome {
    fn ratio(&self) -> f64 {
        self.theirs / self.ours
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    if arguments.instructions {
        return instructions::run(arguments.update, &progress).await;
    }
    let cache = Cache::from_environment()?;
    let peers = Peers::obtain(&cache, &progress).await?;
    let step = progress.step("build the decoder");
    let ours = build_example("peer", &step).await?;
    step.done("built");
    let mut alone = Peer::start("ours", Level::Whole, Command::new(&ours))?;
    let commands = [npm(&peers)?, jar(&peers)?];
    let mut contestants = Vec::new();
    for (contest, theirs) in CONTESTS.iter().zip(commands) {
        let ours = Peer::start("ours", contest.level, Command::new(&ours))?;
        contestants.push((ours, Peer::start(contest.peer, contest.level, theirs)?));
    }
    let corpus = common_corpus(&mut contestants).await?;
    let mut outcomes = Vec::new();
    for (contest, (ours, theirs)) in CONTESTS.iter().zip(&mut contestants) {
        let step = progress.step(format!("{} beside {}", contest.name, contest.peer));
        outcomes.push(measure(ours, theirs, &step).await?);
        step.done("measured");
    }
    let step = progress.step("full decode with type bits");
    let whole = measure_alone(&mut alone, &corpus, &step).await?;
    step.done("measured");
    Ok(report(&outcomes, &whole, corpus.len()))
}

fn npm(peers: &Peers) -> Result<Command> {
    let mut command = Command::new("node");
    command.arg(driver("peer.js")?).env("NODE_PATH", &peers.node_modules);
    Ok(command)
}

/// Java compiles a single file as it starts it.
fn jar(peers: &Peers) -> Result<Command> {
    let mut command = Command::new("java");
    command.args([OsStr::new("-cp"), peers.jar.as_os_str(), driver("Peer.java")?.as_os_str()]);
    Ok(command)
}

fn driver(name: &str) -> Result<std::path::PathBuf> {
    Ok(workspace()?.join("xtask/bench").join(name))
}

/// Gives everybody the same tokens: sound ones in hexadecimal that each of them reads.
async fn common_corpus(contestants: &mut [(Peer, Peer)]) -> Result<Vec<String>> {
    let mut corpus: Vec<String> = sound_tokens(&workspace()?)?.into_iter().map(|token| token.data).collect();
    for (ours, theirs) in &mut *contestants {
        corpus = ours.read(&corpus).await?;
        corpus = theirs.read(&corpus).await?;
    }
    ensure!(corpus.len() >= 100, "only {} tokens are read by all", corpus.len());
    for (ours, theirs) in contestants {
        ensure!(ours.read(&corpus).await? == corpus && theirs.read(&corpus).await? == corpus);
    }
    Ok(corpus)
}

/// A token as a change stream gives it.
struct Sound {
    data: String,
    /// In base64.
    type_bits: Option<String>,
}

/// The vectors of v1 and v2 that are not there to be refused.
fn sound_tokens(workspace: &Path) -> Result<Vec<Sound>> {
    let path = workspace.join("crates/mongodb-resume-token/tests/data/resume-tokens.jsonl");
    let rows = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut tokens = Vec::new();
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row)?;
        let sound = ["v1", "v2"].contains(&row["expected"]["format"].as_str().unwrap_or_default());
        let type_bits = row["token"]["_typeBits"]["$binary"]["base64"].as_str().map(str::to_owned);
        let token = row["token"]["_data"].as_str().map(|data| Sound { data: data.to_owned(), type_bits });
        tokens.extend(token.filter(|_| sound && row["expected"]["error"].is_null()));
    }
    Ok(tokens)
}

/// Rounds in turns; the medians.
async fn measure(ours: &mut Peer, theirs: &mut Peer, step: &Step) -> Result<Outcome> {
    step.note("warming up");
    ours.round(WARM_UP).await?;
    theirs.round(WARM_UP).await?;
    let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        step.note(format!("round {round} of {ROUNDS}"));
        let (our, their) = (ours.round(ROUND).await?, theirs.round(ROUND).await?);
        ensure!(our.seconds_a_pass == their.seconds_a_pass, "they read other times: {our:?} {their:?}");
        our_rounds.push(our.nanoseconds_a_token);
        their_rounds.push(their.nanoseconds_a_token);
    }
    Ok(Outcome { ours: median(our_rounds), theirs: median(their_rounds) })
}

/// What whole tokens take, in nanoseconds each.
struct Whole {
    ours: f64,
    with_type_bits: usize,
}

/// The same tokens with their type bits, decoded by ours.
async fn measure_alone(ours: &mut Peer, corpus: &[String], step: &Step) -> Result<Whole> {
    let mut tokens = sound_tokens(&workspace()?)?;
    tokens.retain(|token| corpus.contains(&token.data));
    let with_type_bits = tokens.iter().filter(|token| token.type_bits.is_some()).count();
    let whole = tokens.into_iter().map(|Sound { data, type_bits }| match type_bits {
        Some(bits) => format!("{data}:{bits}"),
        None => data,
    });
    let whole: Vec<String> = whole.collect();
    ensure!(
        whole.len() == corpus.len() && ours.read(&whole).await? == whole,
        "not every whole token is read"
    );
    step.note("warming up");
    ours.round(WARM_UP).await?;
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        step.note(format!("round {round} of {ROUNDS}"));
        rounds.push(ours.round(ROUND).await?.nanoseconds_a_token);
    }
    Ok(Whole { ours: median(rounds), with_type_bits })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A table for people, a line for programs; failure if a goal is missed.
fn report(outcomes: &[Outcome], whole: &Whole, corpus: usize) -> ExitCode {
    println!("median of {ROUNDS} rounds over {corpus} tokens, ns a token");
    println!("{:<12} {:>8} {:>9}  {:<38} {:>8} {:>8}", "", "ours", "theirs", "", "ratio", "goal");
    let mut well = true;
    let mut lines = Vec::new();
    for (contest, outcome) in CONTESTS.iter().zip(outcomes) {
        let Contest { name, peer, goal, level: _ } = contest;
        let (Outcome { ours, theirs }, ratio) = (outcome, outcome.ratio());
        let met = ratio >= *goal;
        well &= met;
        let verdict = if met { "" } else { "  missed" };
        println!("{name:<12} {ours:>8.1} {theirs:>9.1}  {peer:<38} {ratio:>7.1}x {goal:>7}x{verdict}");
        lines.push(json!({
            "what": name,
            "peer": peer,
            "ours_ns": rounded(*ours),
            "theirs_ns": rounded(*theirs),
            "ratio": rounded(ratio),
            "goal": goal,
            "met": met,
        }));
    }
    let Whole { ours, with_type_bits } = whole;
    println!(
        "{:<12} {ours:>8.1}  full decode of the same tokens with the type bits that {with_type_bits} of them have; \
         no other decoder reads these, and there is no goal",
        "whole"
    );
    let whole = json!({ "ours_ns": rounded(*ours), "tokens_with_type_bits": with_type_bits });
    println!("{}", json!({ "tokens": corpus, "rounds": ROUNDS, "contests": lines, "whole": whole }));
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_corpus_has_type_bits() {
        let tokens = sound_tokens(&workspace().unwrap()).unwrap();
        let with_bits = tokens.iter().filter(|token| token.type_bits.is_some()).count();
        assert_eq!((tokens.len(), with_bits), (131, 43));
    }

    #[test]
    fn a_missed_goal_is_a_failure() {
        let outcome = |theirs| Outcome { ours: 10.0, theirs };
        let whole = Whole { ours: 1e9, with_type_bits: 1 };
        assert_eq!(report(&[outcome(1000.0), outcome(10.0)], &whole, 1), ExitCode::SUCCESS);
        assert_eq!(report(&[outcome(999.0), outcome(10.0)], &whole, 1), ExitCode::FAILURE);
        assert_eq!(report(&[outcome(1000.0), outcome(9.0)], &whole, 1), ExitCode::FAILURE);
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
