//! `cargo xtask compat`: what resumeguard says on other versions of everything, beside what really happens.

mod rows;
mod walk;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::{Cache, Need, Parts, Progress, Stopwatch, ensure as ensure_machine, sweep};

use super::cargo::build_daemon;
use rows::{ROWS, Row};
use walk::Walk;

/// A row that takes longer hangs.
const ROW_LIMIT: Duration = Duration::from_secs(400);

/// How it is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only combinations whose name contains one of these, such as `Debezium` or `mongod 4.4`.
    #[arg(long, num_args = 1.., value_name = "TEXT")]
    only: Vec<String>,
    /// Two of them, one of each connector.
    #[arg(long)]
    short: bool,
    /// List the combinations and end.
    #[arg(long)]
    list: bool,
}

/// What one combination has shown.
struct Line {
    row: &'static Row,
    shown: Walk,
    seconds: u64,
    /// What was not as it must be.
    trouble: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let chosen: Vec<&'static Row> = ROWS.iter().filter(|row| is_chosen(row, &arguments)).collect();
    ensure!(!chosen.is_empty(), "no combination is called like {}; see --list", arguments.only.join(" or "));
    if arguments.list {
        chosen.iter().for_each(|row| println!("{}: a lost position {}", row.name(), row.ends.word()));
        return Ok(ExitCode::SUCCESS);
    }
    let (watch, progress) = (Stopwatch::start(), Progress::to_stderr());
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&Need::BUILD, &progress).await?;
    // One after the other: Maven's local repository is not made for two writers.
    for row in &chosen {
        Parts::obtain_versions(row.versions, &cache, &progress).await?;
    }
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&binary.display().to_string());
    let queue: Mutex<VecDeque<&'static Row>> = Mutex::new(chosen.iter().copied().collect());
    let lines = Mutex::new(Vec::new());
    let lane = async || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(row) = next else { return };
            let line = line(row, &binary, &progress).await;
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    };
    // Each is a stack of its own, which takes a gigabyte.
    tokio::join!(lane(), lane());
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|line| chosen.iter().position(|row| row.name() == line.row.name()));
    print!("{}", table(&lines));
    let failed = lines.iter().filter(|line| line.trouble.is_some()).count();
    let took = watch.elapsed().as_secs();
    println!("{} of {} combinations as foretold; {took} s", lines.len() - failed, lines.len());
    for (line, trouble) in lines.iter().filter_map(|line| Some((line, line.trouble.as_ref()?))) {
        println!("{}: {trouble}", line.row.name());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_chosen(row: &Row, arguments: &Arguments) -> bool {
    let name = row.name();
    let named = arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part.as_str()));
    named && (row.short || !arguments.short)
}

async fn line(row: &'static Row, binary: &std::path::Path, progress: &Progress) -> Line {
    let (step, watch) = (progress.step(row.name()), Stopwatch::start());
    let mut shown = Walk::default();
    let walked = tokio::time::timeout(ROW_LIMIT, walk::walk(row, binary, &mut shown)).await;
    let walked = walked.unwrap_or_else(|_| Err(anyhow::anyhow!("hangs: {} s", ROW_LIMIT.as_secs())));
    let trouble = walked.err().map(|error| format!("{error:#}"));
    step.done(if trouble.is_none() { "as foretold" } else { "NOT as foretold" });
    Line { row, shown, seconds: watch.elapsed().as_secs(), trouble }
}

const TITLES: [&str; 9] = [
    "CONNECT",
    "CONNECTOR",
    "MONGOD",
    "POSITION",
    "LOST",
    "FORETOLD",
    "CAME",
    "AT THE OLDEST ENTRY",
    "SECONDS",
];

fn table(lines: &[Line]) -> String {
    let cells = |line: &Line| {
        let Walk { position, lost, foretold, came, oldest } = &line.shown;
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            line.row.versions.connect.to_owned(),
            line.row.connector().replace('`', ""),
            line.row.versions.mongod.to_owned(),
            or_dash(position),
            or_dash(lost),
            or_dash(foretold),
            or_dash(came),
            or_dash(oldest),
            line.seconds.to_string(),
        ]
    };
    let rows: Vec<[String; 9]> =
        std::iter::once(TITLES.map(str::to_owned)).chain(lines.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let text = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_chosen_by_a_part_of_their_name() {
        let chosen = |only: &[&str], short| {
            let only = only.iter().map(|part| (*part).to_owned()).collect();
            let arguments = Arguments { only, short, list: false };
            ROWS.iter().filter(|row| is_chosen(row, &arguments)).count()
        };
        assert_eq!((chosen(&[], false), chosen(&[], true)), (ROWS.len(), 2));
        assert_eq!((chosen(&["Debezium"], false), chosen(&["no such"], false)), (4, 0));
    }

    #[test]
    fn columns_line_up() {
        let shown = Walk { position: Some("as stored".to_owned()), ..Walk::default() };
        let line = Line { row: &ROWS[0], shown, seconds: 7, trouble: None };
        let text = table(&[line]);
        let (title, row) = text.split_once('\n').unwrap();
        assert_eq!(title.find("POSITION"), row.find("as stored"), "{text}");
    }
}
