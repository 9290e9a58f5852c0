//! `recovery …`, `freeze`, `unfreeze`.

use super::at_desk::{Counter, State, able, config, counter, directory, is_begun, seeing};
use super::ending::Ending;
use super::{Cli, Connect, Failure, Outcome, offset_topic, status};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Verb, Wanted};
use crate::publish::recovery::{self, PlannedFor, Told};
use clap::{Args, Subcommand};
use resumeguard_core::recovery::{Attempt, Ended};

#[derive(Debug, Subcommand)]
pub(super) enum RecoveryCommand {
    /// What would be done about each connector in trouble, what that loses, and what keeps it from being done.
    ///
    /// Asks the running daemon; without one it looks at the connectors twice itself, an interval apart, which cannot show what
    /// takes longer (a running connector is called lost after poll.offset_flush).
    #[command(after_help = "Example:\n  resumeguard recovery plan orders")]
    Plan {
        /// CONNECTOR or CONNECT_CLUSTER/CONNECTOR; all of them where it is left out.
        connector: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        connect: Connect,
    },
    /// Lets a plan be carried out, after the next pass. The approval counts for recovery.approval_expires.
    #[command(
        after_help = "Example:\n  resumeguard recovery approve 1a2b3c4d5e6f --reason 'agreed with the billing team'"
    )]
    Approve {
        /// The plan's id; it stands for exactly the steps that were shown.
        plan: String,
        /// Where many have lost their position at once: you know of so many.
        #[arg(long, value_name = "NUMBER")]
        mass_failure: Option<usize>,
        #[command(flatten)]
        common: Common,
    },
    /// Keeps a plan from being carried out.
    #[command(
        after_help = "Example:\n  resumeguard recovery discard 1a2b3c4d5e6f --reason 'the connector is being moved'"
    )]
    Discard {
        /// The plan's id.
        plan: String,
        #[command(flatten)]
        common: Common,
    },
    /// Carries a plan out now, and waits for its end.
    ///
    /// Approval and beginning in one; whatever else blocks it still blocks it. Without a daemon it does this itself, after what an
    /// earlier command has left open, and waits however long that takes: ended by SIGINT or SIGTERM it says how the connector
    /// stands, and the next `run` or `restore`, or the daemon, goes on with it. Exit status: 0 recovered, or not needed any
    /// more, 1 refused, or failed and put back, 69 nobody who could do it can be reached.
    #[command(
        after_help = "Example:\n  resumeguard recovery run orders --strategy salvage --reason 'pager 4711'"
    )]
    Run {
        /// CONNECTOR or CONNECT_CLUSTER/CONNECTOR.
        connector: String,
        /// How; what policy chooses where it is left out.
        #[arg(long)]
        strategy: Option<String>,
        /// Where many have lost their position at once: you know of so many.
        #[arg(long, value_name = "NUMBER")]
        mass_failure: Option<usize>,
        #[command(flatten)]
        common: Common,
    },
    /// What was attempted, the newest first.
    #[command(after_help = "Example:\n  resumeguard recovery list")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: State,
    },
    /// One attempt's story: who, why, each step with its outcome, what was lost, how to restore what it replaced.
    #[command(after_help = "Example:\n  resumeguard recovery show 1a2b3c4d5e6f-1795439318809")]
    Show {
        /// Its name, as `list` shows it.
        attempt: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: State,
    },
    /// Puts back what an attempt has replaced, the offset and the settings, and waits for its end.
    #[command(
        after_help = "Example:\n  resumeguard recovery restore 1a2b3c4d5e6f-1795439318809 --reason 'the oplog is back'"
    )]
    Restore {
        /// The attempt's name.
        attempt: String,
        #[command(flatten)]
        common: Common,
    },
    /// The documented cure for a whole Connect cluster: its offsets topic is deleted while no worker lives. By hand, and guided.
    ///
    /// Says what it costs each connector by name; with --confirm, waits until every worker is down (their group has no members, nobody
    /// answers), keeps the topic in a file, deletes it, says when to start the workers, and waits until their connectors run. Broken
    /// off, the same command goes on. Needs Delete on the topic and Describe on the group. Exit status: 0 every connector runs,
    /// 1 refused, or some do not run, 3 some were not listed, so nobody knows whether they run, 69 the workers were not down or up in time.
    #[command(
        after_help = "Example:\n  resumeguard recovery delete-offset-topic main --group connect --backup /var/backups/offsets.jsonl --reason 'pager 4711' --confirm connect-offsets"
    )]
    DeleteOffsetTopic(offset_topic::Which),
    /// Writes such a backup back, and removes what was stored since, while no worker lives.
    #[command(
        after_help = "Example:\n  resumeguard recovery restore-offset-topic main --group connect --backup /var/backups/offsets.jsonl --reason 'it was the wrong cluster' --confirm connect-offsets"
    )]
    RestoreOffsetTopic(offset_topic::Which),
    /// Says that what failed was looked at: attempts at this connector may be made again, without a cooldown.
    #[command(
        after_help = "Example:\n  resumeguard recovery acknowledge orders --reason 'Connect was out of memory'"
    )]
    Acknowledge {
        /// CONNECTOR or CONNECT_CLUSTER/CONNECTOR.
        connector: String,
        #[command(flatten)]
        common: Common,
    },
}

impl RecoveryCommand {
    /// It may change something itself, and waits for that.
    pub(super) fn acts(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::Restore { .. })
    }

    /// What is decided by it.
    fn decides(&self) -> Option<(Verb, Wanted, &Common)> {
        Some(match self {
            Self::Approve { plan, mass_failure, common } => {
                let (plan, mass_failure) = (Some(plan.clone()), *mass_failure);
                (Verb::Approve, Wanted { plan, mass_failure, ..common.wanted() }, common)
            }
            Self::Discard { plan, common } => {
                (Verb::Discard, Wanted { plan: Some(plan.clone()), ..common.wanted() }, common)
            }
            Self::Acknowledge { connector, common } => {
                (Verb::Acknowledge, Wanted { connector: Some(connector.clone()), ..common.wanted() }, common)
            }
            Self::Run { connector, strategy, mass_failure, common } => {
                let (connector, strategy) = (Some(connector.clone()), strategy.clone());
                let mass_failure = *mass_failure;
                (Verb::Run, Wanted { connector, strategy, mass_failure, ..common.wanted() }, common)
            }
            Self::Restore { attempt, common } => {
                (Verb::Restore, Wanted { attempt: Some(attempt.clone()), ..common.wanted() }, common)
            }
            Self::Plan { .. }
            | Self::List { .. }
            | Self::Show { .. }
            | Self::DeleteOffsetTopic(_)
            | Self::RestoreOffsetTopic(_) => return None,
        })
    }
}

/// What every change needs.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Why; it is written into the journal.
    #[arg(long, required_unless_present = "look", default_value = "", hide_default_value = true)]
    reason: String,
    /// Changes nothing: says how it stands and what would follow, and prints the mark of that.
    #[arg(long)]
    look: bool,
    /// Only if nothing has changed since --look printed this mark.
    #[arg(long, value_name = "MARK", conflicts_with = "look")]
    seen: Option<String>,
    #[command(flatten)]
    state: State,
}

/// How it stands with what a command is about.
async fn look(
    cli: &Cli,
    verb: Verb,
    wanted: &Wanted,
    common: &Common,
    clock: Clock,
) -> Result<Outcome, Failure> {
    let config = config(cli, &common.state, &Connect::default())?;
    directory(&config)?;
    let counter = match verb {
        Verb::Run | Verb::Restore => seeing(&config, clock).await?,
        Verb::Approve | Verb::Discard | Verb::Acknowledge | Verb::Freeze | Verb::Unfreeze => {
            counter(&config, clock).await?
        }
    };
    let shown = counter.shown(verb, wanted).await;
    counter.close().await;
    let shown = shown?;
    let says = shown.says.iter().map(|line| format!("{line}\n")).collect::<String>();
    status::print(&format!("{says}to decide on exactly this: --seen {}\n", shown.seen))
}

/// Does what the command line says.
pub(super) async fn run(cli: &Cli, command: &RecoveryCommand, clock: Clock) -> Result<Outcome, Failure> {
    if let Some((verb, wanted, common)) = command.decides().filter(|(_, _, common)| common.look) {
        return look(cli, verb, &wanted, common, clock).await;
    }
    match command {
        RecoveryCommand::Plan { connector, json, state, connect } => {
            let counter = seeing(&config(cli, state, connect)?, clock).await?;
            let outcome = plan(&counter, connector.as_deref(), *json).await;
            counter.close().await;
            outcome
        }
        RecoveryCommand::List { json, state } => list(cli, *json, state, clock).await,
        RecoveryCommand::Show { attempt, json, state } => show(cli, attempt, *json, state, clock).await,
        RecoveryCommand::Approve { plan, .. } => {
            decided(cli, command, clock).await?;
            status::print(&format!(
                "{plan} is approved; it begins after the next pass if nothing else blocks it\n"
            ))
        }
        RecoveryCommand::Discard { plan, .. } => {
            decided(cli, command, clock).await?;
            status::print(&format!("{plan} is discarded\n"))
        }
        RecoveryCommand::DeleteOffsetTopic(which) => Box::pin(offset_topic::delete(cli, which, clock)).await,
        RecoveryCommand::RestoreOffsetTopic(which) => {
            Box::pin(offset_topic::restore(cli, which, clock)).await
        }
        RecoveryCommand::Acknowledge { connector, .. } => {
            decided(cli, command, clock).await?;
            status::print(&format!("{connector}: attempts may be made again\n"))
        }
        RecoveryCommand::Run { .. } | RecoveryCommand::Restore { .. } => match command.decides() {
            Some((verb, wanted, common)) => begin(cli, verb, wanted, common, clock).await,
            None => Ok(Outcome::Done),
        },
    }
}

/// Has a decision written down.
async fn decided(cli: &Cli, command: &RecoveryCommand, clock: Clock) -> Result<(), Failure> {
    let Some((verb, wanted, common)) = command.decides() else { return Ok(()) };
    change(cli, verb, wanted, common, clock).await.map(drop)
}

impl Common {
    fn wanted(&self) -> Wanted {
        Wanted { reason: self.reason.clone(), seen: self.seen.clone(), ..Wanted::default() }
    }
}

/// `freeze` and `unfreeze`.
pub(super) async fn switch(cli: &Cli, verb: Verb, common: &Common, clock: Clock) -> Result<Outcome, Failure> {
    if common.look {
        return look(cli, verb, &common.wanted(), common, clock).await;
    }
    let frozen = match change(cli, verb, common.wanted(), common, clock).await {
        Ok(done) => done.frozen,
        Err(failure) if verb == Verb::Freeze && failure.outcome == Outcome::Unreachable => {
            let line =
                format!("{}; a file named `freeze` in recovery.directory freezes as well", failure.line);
            return Err(Failure::new(failure.outcome, line));
        }
        Err(failure) => return Err(failure),
    };
    match (verb, frozen) {
        (Verb::Unfreeze, Some(reason)) => {
            status::print(&format!("recovery is still frozen: {reason}\n")).map(|_| Outcome::Negative)
        }
        (_, Some(reason)) => status::print(&format!("recovery is frozen: {reason}\n")),
        (_, None) => status::print("recovery is not frozen\n"),
    }
}

async fn change(
    cli: &Cli,
    verb: Verb,
    wanted: Wanted,
    common: &Common,
    clock: Clock,
) -> Result<crate::control::Done, Failure> {
    let config = config(cli, &common.state, &Connect::default())?;
    let directory = directory(&config)?;
    if super::at_desk::daemon(directory).await?.is_none() {
        let nobody = format!("no daemon answers in {}", directory.display());
        match verb {
            // Plans are the daemon's: they are made from what it sees.
            Verb::Approve | Verb::Discard => {
                let line = format!(
                    "{nobody}; start it, or have a plan carried out at once: resumeguard recovery run CONNECTOR --reason …"
                );
                return Err(Failure::new(Outcome::Unreachable, line));
            }
            // One in another directory would go on.
            Verb::Freeze | Verb::Unfreeze => {
                eprintln!("{nobody}: this holds for the next one that starts there")
            }
            Verb::Acknowledge | Verb::Run | Verb::Restore => {}
        }
    }
    let counter = counter(&config, clock).await?;
    let done = counter.carry_out(verb, wanted).await;
    counter.close().await;
    done
}

async fn begin(
    cli: &Cli,
    verb: Verb,
    wanted: Wanted,
    common: &Common,
    clock: Clock,
) -> Result<Outcome, Failure> {
    let config = config(cli, &common.state, &Connect::default())?;
    directory(&config)?;
    let mut counter = able(&config, clock).await?;
    let told = carried_out(&mut counter, &config, verb, wanted, clock).await;
    counter.close().await;
    let told = told?;
    status::print(&recovery::story(&told))?;
    Ok(match told.attempt.outcome.as_deref() {
        Some("recovered" | "not_needed") => Outcome::Done,
        Some(_) => Outcome::Negative,
        None => Outcome::Unreachable,
    })
}

/// Without a daemon, what was left open comes first: nobody else goes on with it.
async fn carried_out(
    counter: &mut Counter,
    config: &Config,
    verb: Verb,
    wanted: Wanted,
    clock: Clock,
) -> Result<Told, Failure> {
    let mut ending = Ending::new(clock)?;
    let ended = ending.what_is_open(counter, config).await?;
    let is_wanted = |attempt: &&Attempt| {
        let (id, name) = (&attempt.plan.connector, wanted.connector.as_deref());
        name.is_some_and(|name| name == id.connector || name == id.to_string())
    };
    let well = |attempt: &&Attempt| matches!(attempt.ended, Some((Ended::Recovered | Ended::NotNeeded, ..)));
    if verb == Verb::Run
        && let Some(attempt) = ended.iter().filter(is_wanted).find(well)
    {
        return counter.story(&attempt.id.0).await;
    }
    ending.unless_stopped(counter.look(config)).await?;
    let done = counter.carry_out(verb, wanted).await?;
    let attempt = done.attempt.unwrap_or_default();
    eprintln!("attempt {attempt} has begun");
    ending.of(counter, &attempt).await
}

/// Plans of one connector, or of all.
async fn plan(counter: &Counter, connector: Option<&str>, json: bool) -> Result<Outcome, Failure> {
    let mut seen = counter.overview().await?;
    let wanted = |planned: &PlannedFor| {
        connector.is_none_or(|wanted| planned.connector == wanted || planned.id() == wanted)
    };
    if json {
        seen.plans.retain(wanted);
        return print_json(&seen);
    }
    status::print(&recovery::overview(&seen, wanted))
}

async fn list(cli: &Cli, json: bool, state: &State, clock: Clock) -> Result<Outcome, Failure> {
    let Some(counter) = reader(cli, state, clock).await? else {
        return if json { print_json(&[(); 0]) } else { status::print(&recovery::attempts(&[])) };
    };
    let seen = counter.overview().await;
    counter.close().await;
    let attempts = seen?.attempts;
    if json { print_json(&attempts) } else { status::print(&recovery::attempts(&attempts)) }
}

async fn show(cli: &Cli, attempt: &str, json: bool, state: &State, clock: Clock) -> Result<Outcome, Failure> {
    let Some(counter) = reader(cli, state, clock).await? else {
        return Err(Failure::new(Outcome::Negative, "no recovery was attempted"));
    };
    let told = counter.story(attempt).await;
    counter.close().await;
    let told = told?;
    if json { print_json(&told) } else { status::print(&recovery::story(&told)) }
}

/// Whoever can tell what was done; `None` where nothing ever was.
async fn reader(cli: &Cli, state: &State, clock: Clock) -> Result<Option<Counter>, Failure> {
    let config = config(cli, state, &Connect::default())?;
    let directory = directory(&config)?;
    if let Some(daemon) = super::at_desk::daemon(directory).await? {
        return Ok(Some(Counter::Daemon(daemon)));
    }
    if !is_begun(directory)? {
        return Ok(None);
    }
    counter(&config, clock).await.map(Some)
}

fn print_json(value: &impl serde::Serialize) -> Result<Outcome, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(Outcome::Unknown, error))?;
    status::print_exactly(&(text + "\n"))
}
