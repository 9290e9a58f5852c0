//! The command line. Each command's outcome is an `Outcome`; its numbers are a contract.

mod ask;
mod at_desk;
mod check;
mod decode;
mod ending;
mod explain;
mod gate;
mod generate;
mod healthcheck;
mod offset_topic;
mod probe;
mod recovery;
mod status;
mod version;

use crate::clock::Clock;
use crate::config::{self, Config, Raw, Sources};
use crate::control::Verb;
use crate::{daemon, telemetry};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use telemetry::LogFormat;

/// Where a configuration is looked for when none is named.
const DEFAULT_FILE: &str = "/etc/resumeguard/resumeguard.toml";

/// Watches the resume tokens of MongoDB's Kafka source connectors against the oplog.
#[derive(Debug, Parser)]
#[command(version, long_version = version::long(), max_term_width = 100)]
struct Cli {
    /// Configuration file; may be repeated, later files override earlier ones.
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// Form of the log lines on standard error.
    #[arg(long, value_enum, default_value = "text", global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// Kafka Connect clusters named on the command line.
#[derive(Debug, Default, Args)]
struct Connect {
    /// REST address of a Kafka Connect worker; may be repeated.
    #[arg(long, value_name = "URL")]
    connect: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: watches, serves metrics and the page.
    #[command(after_help = "Example:\n  resumeguard run --connect http://127.0.0.1:8083")]
    Run(Connect),
    /// A table of every connector, worst first.
    ///
    /// Asks the running daemon where there is one; with --connect, or without a daemon, makes one pass itself, which
    /// cannot show what takes several. Exit status: 0 all safe, 1 at risk, 2 critical, lost or failed, 3 unknown.
    #[command(after_help = "Example:\n  resumeguard status --connect http://127.0.0.1:8083")]
    Status {
        #[command(flatten)]
        connect: Connect,
        /// The whole status as JSON.
        #[arg(long)]
        json: bool,
        /// Colours: in a terminal unless NO_COLOR is set, or as told.
        #[arg(long, value_enum, default_value = "auto")]
        color: status::Color,
    },
    /// May these connectors be restarted? For use before a deploy, a restart or an upgrade.
    ///
    /// Exit status: 0 every one would resume, 2 some would not, and which, 3 unknown. How long a position lasts is known
    /// to a running daemon only; without a forecast it must be safe, with a headroom of twice the duration.
    #[command(
        after_help = "Example:\n  resumeguard gate --connector 'orders-*' --duration 10m && systemctl restart kafka-connect"
    )]
    Gate {
        #[command(flatten)]
        which: gate::Which,
        #[command(flatten)]
        connect: Connect,
    },
    /// One connector's story: evidence, findings, what a restart would do, what was seen of it over the last day.
    ///
    /// The latter from the running daemon's history, or from the file where there is none.
    #[command(after_help = "Example:\n  resumeguard explain orders --connect http://127.0.0.1:8083")]
    Explain {
        /// CONNECTOR or CONNECT_CLUSTER/CONNECTOR.
        connector: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Asks MongoDB whether a connector's stored token resumes: its own namespace, pipeline and options, read-only.
    ///
    /// Makes one pass to find the token and the members, asks them for one event after it, and leaves the event there.
    /// Exit status: 0 it resumes, 1 it does not, 3 nobody knows, 69 Connect or MongoDB cannot be reached.
    #[command(after_help = "Example:\n  resumeguard probe orders --connect http://127.0.0.1:8083")]
    Probe {
        #[command(flatten)]
        which: probe::Which,
        #[command(flatten)]
        connect: Connect,
    },
    /// What would be done about connectors in trouble, and what was: plans, approvals, attempts.
    ///
    /// Exit status: 0 done, 1 refused or failed, 69 nobody who could do it can be reached, 78 configuration.
    #[command(subcommand)]
    Recovery(recovery::RecoveryCommand),
    /// Stops all recovery before its next step, until `unfreeze`. Exit status: 0 it is frozen.
    ///
    /// Asks the running daemon, or writes it into the journal itself. A file named `freeze` in recovery.directory does the
    /// same, without a daemon and without a disk that can be written.
    #[command(after_help = "Example:\n  resumeguard freeze --reason 'maintenance of the database'")]
    Freeze(recovery::Common),
    /// Lets recovery go on. Exit status: 0 it goes on, 1 something else still freezes it.
    #[command(after_help = "Example:\n  resumeguard unfreeze --reason 'maintenance is over'")]
    Unfreeze(recovery::Common),
    /// What resume tokens say: time, collection, event, document key.
    ///
    /// Takes hexadecimal digits, a token document, a change event, an offset of the MongoDB connector or of Debezium;
    /// as arguments or one a line on standard input. Exit status: 0 all decoded, 1 some were not.
    #[command(after_help = "Example:\n  resumeguard decode --json 826B03B3E1000000012B0229296E04")]
    Decode {
        /// Tokens; standard input if there are none.
        tokens: Vec<String>,
        /// One JSON object a line; `{"error": …}` for what is no token.
        #[arg(long)]
        json: bool,
    },
    /// Reads and validates the configuration. Exit status: 0 good, 69 something, or a file that it names, cannot be reached, 78 bad.
    #[command(after_help = "Example:\n  resumeguard --config resumeguard.toml check-config --connectivity")]
    CheckConfig {
        /// Makes one pass as well, and says which sources cannot be read.
        #[arg(long)]
        connectivity: bool,
    },
    /// The documented example, or the configuration in force.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Asks the running daemon whether its passes advance. Exit status: 0 yes, 1 no, 69 no daemon.
    #[command(after_help = "Example:\n  resumeguard healthcheck")]
    Healthcheck,
    /// Prints what lets a shell complete this command line.
    #[command(
        after_help = "Example:\n  resumeguard completions bash > /etc/bash_completion.d/resumeguard\n  resumeguard completions zsh > /usr/local/share/zsh/site-functions/_resumeguard\n  resumeguard completions fish > ~/.config/fish/completions/resumeguard.fish"
    )]
    Completions {
        /// Whose completions.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, or writes it and one of every command into a directory.
    #[command(
        after_help = "Example:\n  resumeguard man | man -l -\n  resumeguard man --directory /usr/local/share/man/man1"
    )]
    Man {
        /// Where the pages are written, as resumeguard.1, resumeguard-status.1 and so on.
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints every key with its default and what it means.
    #[command(after_help = "Example:\n  resumeguard config example > resumeguard.toml")]
    Example,
    /// Prints the configuration in force, secrets redacted.
    #[command(after_help = "Example:\n  resumeguard --config resumeguard.toml config print")]
    Print,
}

/// How a command ended; the numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    AtRisk,
    Bad,
    Unknown,
    Negative,
    Usage,
    Unreachable,
    Configuration,
}

impl Outcome {
    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            // The monitoring-plugin convention and "a negative answer" share the number.
            Self::AtRisk | Self::Negative => 1,
            Self::Bad => 2,
            Self::Unknown => 3,
            Self::Usage => 64,
            Self::Unreachable => 69,
            Self::Configuration => 78,
        })
    }
}

/// A command that could not do its work: one line, and the outcome.
#[derive(Debug)]
struct Failure {
    outcome: Outcome,
    line: String,
}

impl Failure {
    fn new(outcome: Outcome, line: impl std::fmt::Display) -> Self {
        Self { outcome, line: line.to_string() }
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            // Nowhere to complain to if this fails.
            let _printed = error.print().is_ok();
            return if usage { Outcome::Usage } else { Outcome::Done }.code();
        }
    };
    // A command that acts itself may wait for long, and says for what.
    let acts = matches!(&cli.command, Command::Recovery(command) if command.acts());
    let level = if matches!(cli.command, Command::Run(_)) {
        "info"
    } else if acts {
        "warn"
    } else {
        "error"
    };
    telemetry::start(cli.log_format, level);
    match dispatch(&cli) {
        Ok(outcome) => outcome.code(),
        Err(failure) => {
            telemetry::complain(&failure.line);
            failure.outcome.code()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Outcome, Failure> {
    let clock = Clock::start();
    match &cli.command {
        Command::Decode { tokens, json } => decode::run(tokens, *json),
        Command::Config(ConfigCommand::Example) => status::print_exactly(config::EXAMPLE),
        Command::Config(ConfigCommand::Print) => {
            let (raw, _) = cli.load(&[])?;
            let text =
                toml::to_string_pretty(&raw).map_err(|error| Failure::new(Outcome::Configuration, error))?;
            status::print_exactly(&text)
        }
        Command::Run(connect) => {
            let (_, config) = cli.watched(connect)?;
            let sources = cli.sources(&connect.connect, None);
            let again = move || watched(&sources).map(|(_, config)| config).map_err(|failure| failure.line);
            let ended = on_runtime(daemon::run(config, std::sync::Arc::new(again), clock))?;
            ended
                .map(|()| Outcome::Done)
                .map_err(|error| Failure::new(Outcome::Unreachable, format!("{error:#}")))
        }
        Command::Status { connect, json, color } => {
            status::report(&on_runtime(ask::status(cli, connect, clock))??, *json, *color)
        }
        Command::Gate { which, connect } => gate::run(&on_runtime(ask::status(cli, connect, clock))??, which),
        Command::Explain { connector, connect } => on_runtime(explain::run(cli, connector, connect, clock))?,
        Command::Probe { which, connect } => {
            let (_, config) = cli.watched(connect)?;
            on_runtime(probe::run(&config, which, clock))?
        }
        Command::Recovery(command) => on_runtime(recovery::run(cli, command, clock))?,
        Command::Freeze(common) => on_runtime(recovery::switch(cli, Verb::Freeze, common, clock))?,
        Command::Unfreeze(common) => on_runtime(recovery::switch(cli, Verb::Unfreeze, common, clock))?,
        Command::CheckConfig { connectivity } => {
            let (_, config) = cli.load(&[])?;
            on_runtime(check::run(&config, *connectivity, clock))?
        }
        Command::Healthcheck => {
            let (_, config) = cli.load(&[])?;
            on_runtime(healthcheck::run(&config))?
        }
        Command::Completions { shell } => generate::completions(*shell),
        Command::Man { directory } => generate::manual(directory.as_deref()),
    }
}

/// The command line as a value: what its reference, manual pages and completions are drawn from.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs what waits for others. Readings that ran into their deadline are not waited for at the end.
fn on_runtime<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Outcome::Unreachable, format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(work);
    // The end of the process ends it. Shut down, it would drop the driver's tasks one after the other, and one that finds
    // its pool gone panics on standard error (seen on mongodb 3.9.1, `ConnectionRequester::request`).
    std::mem::forget(runtime);
    Ok(outcome)
}

impl Cli {
    fn load(&self, connect: &[String]) -> Result<(Raw, Config), Failure> {
        self.load_with(connect, None)
    }

    /// With one more variable of the environment: what a flag says of a key.
    fn load_with(
        &self,
        connect: &[String],
        flag: Option<(String, String)>,
    ) -> Result<(Raw, Config), Failure> {
        read(&self.sources(connect, flag))
    }

    fn sources(&self, connect: &[String], flag: Option<(String, String)>) -> Sources {
        let default = PathBuf::from(DEFAULT_FILE);
        let files =
            if self.config.is_empty() && default.exists() { vec![default] } else { self.config.clone() };
        Sources { files, environment: std::env::vars().chain(flag).collect(), connect: connect.to_vec() }
    }

    /// A configuration with something to watch.
    fn watched(&self, connect: &Connect) -> Result<(Raw, Config), Failure> {
        watched(&self.sources(&connect.connect, None))
    }
}

fn read(sources: &Sources) -> Result<(Raw, Config), Failure> {
    config::load(sources).map_err(|error| {
        // A service manager tries the first again, and not the second.
        let outcome = if error.may_pass() { Outcome::Unreachable } else { Outcome::Configuration };
        Failure::new(outcome, error)
    })
}

fn watched(sources: &Sources) -> Result<(Raw, Config), Failure> {
    let (raw, config) = read(sources)?;
    if config.connect.is_empty() {
        let line = "no Kafka Connect cluster is named; add --connect URL, or [connect.NAME] with url = \"…\" to a --config file";
        return Err(Failure::new(Outcome::Configuration, line));
    }
    Ok((raw, config))
}
