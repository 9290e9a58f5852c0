//! `cargo xtask`: the real stack, the demo and the checks.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;

/// The real stack, the demo and the checks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts, stops and lists real stacks: MongoDB, Kafka, Kafka Connect with the MongoDB connector.
    Stack {
        #[command(subcommand)]
        order: commands::stack::Order,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let work = async {
        match command {
            Command::Stack { order } => commands::stack::run(order).await,
        }
    };
    commands::interrupt::guarded(work).await
}
