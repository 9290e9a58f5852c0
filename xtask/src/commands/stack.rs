//! `cargo xtask stack`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use xtask::{Book, Cache, Progress, Stack, StackSpec, demolish, remains, stacks, sweep};

/// What to do with stacks.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Starts a stack and leaves it running.
    Up {
        /// The stack's name; several run side by side.
        #[arg(default_value = "default")]
        name: String,
        /// TLS everywhere, and nobody without credentials.
        #[arg(long)]
        secured: bool,
    },
    /// Stops a stack and removes its data.
    Down {
        /// The stack's name.
        #[arg(default_value = "default", conflicts_with = "all")]
        name: String,
        /// Every stack that was left running.
        #[arg(long)]
        all: bool,
    },
    /// Lists the stacks, their processes and addresses.
    Status,
}

pub(crate) async fn run(order: Order) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    match order {
        Order::Up { name, secured } => up(&cache, &name, secured, &progress).await?,
        Order::Down { name, all: false } => down(&cache, &name, &progress)?,
        Order::Down { all: true, .. } => {
            for (name, _, book) in stacks(&cache)? {
                // Somebody's demo or test run ends by itself.
                if book.owner.is_none() {
                    down(&cache, &name, &progress)?;
                }
            }
        }
        Order::Status => {
            for (name, _, book) in stacks(&cache)? {
                print(&name, &book);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(cache: &Cache, name: &str, secured: bool, progress: &Progress) -> Result<()> {
    if let Some((_, _, book)) = stacks(cache)?.into_iter().find(|(other, ..)| other == name) {
        progress.line(&format!("{name} is up already"));
        print(name, &book);
        return Ok(());
    }
    let spec = StackSpec::named(name);
    let stack = Stack::start(if secured { spec.secured() } else { spec }, progress).await?;
    stack.detach()?;
    print(name, &stack.book()?);
    Ok(())
}

fn down(cache: &Cache, name: &str, progress: &Progress) -> Result<()> {
    let found = stacks(cache)?.into_iter().find(|(other, ..)| other == name);
    let (_, folder, book) = found.with_context(|| format!("there is no stack {name:?}"))?;
    anyhow::ensure!(book.owner.is_none(), "{name} belongs to a run that is still going on");
    let step = progress.step(format!("stop {name}"));
    demolish(&folder)?;
    let left = remains(&folder, &book);
    anyhow::ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    step.done("no process and no port left");
    Ok(())
}

fn print(name: &str, book: &Book) {
    let owner = match book.owner {
        Some(owner) => format!("of process {}", owner.pid),
        None => "left running".to_owned(),
    };
    println!("{name} ({owner})");
    let addresses = [("mongodb", &book.services.mongodb), ("kafka", &book.services.kafka)];
    for (service, address) in addresses {
        println!("  {service:<8} {}", address.as_deref().unwrap_or("-"));
    }
    for url in &book.services.connect {
        println!("  {:<8} {url}", "connect");
    }
    for process in &book.processes {
        let state = if process.identity.is_alive() { "runs" } else { "ended" };
        let log = process.log.display();
        println!(
            "  {:<14} {state} pid {} ports {:?} log {log}",
            process.role, process.identity.pid, process.ports
        );
    }
}
