//! One file a command, and what they share.

mod bench_tokens;
mod bench_topic;
mod book;
mod cargo;
mod ci;
mod compat;
mod daemon;
mod dashboards;
mod deb;
mod demo;
mod dist;
mod forecast;
mod fuzz;
mod image;
mod interrupt;
mod kill_matrix;
mod licences;
mod manifests;
mod matrix;
mod mutants;
mod relay;
mod release;
mod schemathesis;
mod service;
mod stack;
mod start_order;
mod test;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use interrupt::guarded;

/// What `cargo xtask` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts, stops and lists real stacks: MongoDB, Kafka, Kafka Connect with the MongoDB connector.
    Stack {
        #[command(subcommand)]
        order: stack::Order,
    },
    /// Drives real connectors into every kind of trouble and lets the daemon watch them.
    Demo(demo::Arguments),
    /// Brings about every fault that the daemon must detect, on real parts, and measures how long it takes.
    Matrix(matrix::Arguments),
    /// Runs old and new versions of MongoDB, Kafka Connect and the connectors, and holds what the daemon says against what happens.
    Compat(compat::Arguments),
    /// Kills the daemon before, during and after every step of recovery, on real parts, and looks at what becomes of it.
    KillMatrix(kill_matrix::Arguments),
    /// Holds the outage budget against an oplog that really rolls, by steady load and by day and night.
    Forecast(forecast::Arguments),
    /// Builds the Debian package.
    Deb(deb::Arguments),
    /// Installs, runs, upgrades and removes the package under a real systemd.
    Service(service::Arguments),
    /// Holds the manifests for Kubernetes against its schemas, and against what is known of good pods.
    Manifests(manifests::Arguments),
    /// Starts the daemon with everything down, brings MongoDB, Kafka and Connect up in every order, and counts passes.
    StartOrder(start_order::Arguments),
    /// Runs every step of the Dockerfile on bases that are made here, and the image's program.
    Image(image::Arguments),
    /// Writes Grafana's dashboards.
    Dashboards(dashboards::Arguments),
    /// Writes the manual pages and the completions of shells that packages install.
    DistFiles(dist::Arguments),
    /// Writes the documentation as a site into target/book.
    Book(book::Arguments),
    /// Draws the pages of the book that are drawn from the code.
    Reference(book::ReferenceArguments),
    /// Builds what is handed out, into target/released: program, manual pages, completions, bill of materials, checksums.
    Release,
    /// Writes whose code is in the program, and on which terms.
    Licences(licences::Arguments),
    /// Has everything compiled by the oldest Rust that is promised.
    Msrv,
    /// Holds licences, sources and advisories of every crate against deny.toml.
    Deny,
    /// Runs every test, those on the real stack included.
    Test(test::Arguments),
    /// Checks format, lints and docs, then runs every test.
    Ci(test::Arguments),
    /// Sets the decoder of resume tokens beside npm's and the connector's own.
    BenchTokens(bench_tokens::Arguments),
    /// Reads a large offsets topic of a real broker from its beginning, beside kcat.
    BenchTopic(bench_topic::Arguments),
    /// Fuzzes the decoder of resume tokens.
    Fuzz(fuzz::Arguments),
    /// Asks the API all that its OpenAPI document allows, and more, and holds the answers against it.
    Schemathesis(schemathesis::Arguments),
    /// Breaks the code in every small way and lists what no test notices.
    Mutants(mutants::Arguments),
}

impl Command {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::Stack { order } => Box::pin(guarded(stack::run(order))).await,
            Self::Demo(arguments) => Box::pin(demo::run(arguments)).await,
            Self::Matrix(arguments) => Box::pin(guarded(matrix::run(arguments))).await,
            Self::Compat(arguments) => Box::pin(guarded(compat::run(arguments))).await,
            Self::KillMatrix(arguments) => Box::pin(guarded(kill_matrix::run(arguments))).await,
            Self::Forecast(arguments) => Box::pin(guarded(forecast::run(arguments))).await,
            Self::Deb(arguments) => guarded(deb::run(arguments)).await,
            Self::Service(arguments) => Box::pin(guarded(service::run(arguments))).await,
            Self::Manifests(arguments) => guarded(manifests::run(arguments)).await,
            Self::StartOrder(arguments) => Box::pin(guarded(start_order::run(arguments))).await,
            Self::Image(arguments) => guarded(image::run(arguments)).await,
            Self::Dashboards(arguments) => dashboards::run(&arguments),
            Self::DistFiles(arguments) => guarded(dist::run(arguments)).await,
            Self::Book(arguments) => guarded(book::run(arguments)).await,
            Self::Reference(arguments) => guarded(book::reference(arguments)).await,
            Self::Release => guarded(release::run()).await,
            Self::Licences(arguments) => guarded(licences::run(arguments)).await,
            Self::Msrv => guarded(release::msrv()).await,
            Self::Deny => guarded(release::deny()).await,
            Self::Test(arguments) => Box::pin(guarded(test::run(arguments))).await,
            Self::Ci(arguments) => Box::pin(guarded(ci::run(arguments))).await,
            Self::BenchTokens(arguments) => guarded(bench_tokens::run(arguments)).await,
            Self::BenchTopic(arguments) => Box::pin(guarded(bench_topic::run(arguments))).await,
            Self::Fuzz(arguments) => guarded(fuzz::run(arguments)).await,
            Self::Schemathesis(arguments) => Box::pin(guarded(schemathesis::run(arguments))).await,
            Self::Mutants(arguments) => guarded(mutants::run(arguments)).await,
        }
    }
}
