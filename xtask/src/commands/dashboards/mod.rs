//! `cargo xtask dashboards`: writes Grafana's dashboards. They are made here so that five files agree on variables, links, colours and
//! units, and are kept in the repository so that nobody needs this to import them.

mod connector;
mod daemon;
mod fleet;
mod oplogs;
mod panel;
mod recovery;
mod sheet;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::cargo::workspace;

/// How the dashboards are made.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Where the dashboards lie.
const FOLDER: &str = "dashboards/grafana";

/// Every dashboard under the name of its file.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("fleet.json", fleet::dashboard()),
        ("connector.json", connector::dashboard()),
        ("oplogs.json", oplogs::dashboard()),
        ("recovery.json", recovery::dashboard()),
        ("daemon.json", daemon::dashboard()),
    ]
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = workspace()?.join(FOLDER);
    let mut old = Vec::new();
    for (name, dashboard) in all() {
        let (path, text) = (folder.join(name), format!("{dashboard:#}\n"));
        if !fs::read_to_string(&path).is_ok_and(|found| found == text) {
            old.push(name);
            if !arguments.check {
                fs::create_dir_all(&folder)?;
                fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    match (old.is_empty(), arguments.check) {
        (true, _) => println!("{FOLDER}: as it must be"),
        (false, true) => {
            println!("not what would be written: {}; run `cargo xtask dashboards`", old.join(", "))
        }
        (false, false) => println!("{FOLDER}: written {}", old.join(", ")),
    }
    Ok(if old.is_empty() || !arguments.check { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is imported is what is made here.
    #[test]
    fn the_files_are_what_would_be_written() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER);
        for (name, dashboard) in all() {
            let found = fs::read_to_string(folder.join(name)).unwrap();
            assert!(found == format!("{dashboard:#}\n"), "{name}: run `cargo xtask dashboards`");
        }
    }
}
