//! `cargo xtask`: the real stack, the demo and the checks.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;

use commands::{bench_tokens, ci, demo, forecast, fuzz, interrupt::guarded, matrix, stack, test};

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
        order: stack::Order,
    },
    /// Drives real connectors into every kind of trouble and lets the daemon watch them.
    Demo(demo::Arguments),
    /// Brings about every fault that the daemon must detect, on real parts, and measures how long it takes.
    Matrix(matrix::Arguments),
    /// Holds the outage budget against an oplog that really rolls, by steady load and by day and night.
    Forecast(forecast::Arguments),
    /// Runs every test, those on the real stack included.
    Test(test::Arguments),
    /// Checks format, lints and docs, then runs every test.
    Ci(test::Arguments),
    /// Sets the decoder of resume tokens beside npm's and the connector's own.
    BenchTokens(bench_tokens::Arguments),
    /// Fuzzes the decoder of resume tokens.
    Fuzz(fuzz::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let outcome = match command {
        Command::Stack { order } => guarded(stack::run(order)).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Matrix(arguments) => Box::pin(guarded(matrix::run(arguments))).await,
        Command::Forecast(arguments) => Box::pin(guarded(forecast::run(arguments))).await,
        Command::Test(arguments) => guarded(test::run(arguments)).await,
        Command::Ci(arguments) => guarded(ci::run(arguments)).await,
        Command::BenchTokens(arguments) => guarded(bench_tokens::run(arguments)).await,
        Command::Fuzz(arguments) => guarded(fuzz::run(arguments)).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
