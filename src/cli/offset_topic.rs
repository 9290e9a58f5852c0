//! `recovery delete-offset-topic` and `restore-offset-topic`: the cure for a whole Connect cluster, done by a person and guided.

mod told;

use super::at_desk::{State, config, counter, directory};
use super::{Cli, Connect, Failure, Outcome, status};
use crate::clock::Clock;
use crate::config::{Config, ConnectCluster};
use crate::control::myself;
use crate::recovery::failpoint::{self, AFTER_EFFECT, AFTER_INTENT};
use crate::recovery::whole::{
    Backup, Head, Line, Standing, Steps, WholeTopic, before_restore, lacking, was_cleaned_by,
};
use crate::sources::connect::{Client, Listed};
use resumeguard_core::recovery::{ManagedBy, Mode};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use told::{cost, illness, other, verdict};

/// Between two looks at the workers.
const AGAIN: Duration = Duration::from_secs(1);
/// For so long they must be down at a stretch.
const STILL: Duration = Duration::from_secs(5);
/// How often it is said what is waited for.
const TELL: Duration = Duration::from_secs(30);
/// How long Connect may take to list its connectors.
const LISTS: Duration = Duration::from_secs(15);
/// How long connectors may take to run once their workers do.
const RUNS: Duration = Duration::from_secs(180);

/// Which topic, and what is allowed.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// NAME of [connect.NAME], all of whose connectors are meant.
    connect_cluster: String,
    /// The workers' group.id.
    #[arg(long)]
    group: String,
    /// The file that the topic is kept in. One that is there already is gone on with.
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    /// The topic's name once more: without it, only what it costs is said.
    #[arg(long, value_name = "TOPIC")]
    confirm: Option<String>,
    /// Why; it is written beside the backup.
    #[arg(long)]
    reason: String,
    /// How long the workers are waited for, each time.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    wait: Duration,
    #[command(flatten)]
    state: State,
}

/// One cure under way.
struct Guide<'a> {
    which: &'a Which,
    config: Config,
    cluster: ConnectCluster,
    whole: WholeTopic,
    steps: Steps,
    by: String,
    clock: Clock,
}

fn refused(line: impl std::fmt::Display) -> Failure {
    Failure::new(Outcome::Negative, line)
}

fn unreachable(line: impl std::fmt::Display) -> Failure {
    Failure::new(Outcome::Unreachable, line)
}

fn say(line: &str) -> Result<(), Failure> {
    status::print(&format!("{line}\n")).map(drop)
}

/// Deletes the topic while no worker lives, and waits until the workers run again.
pub(super) async fn delete(cli: &Cli, which: &Which, clock: Clock) -> Result<Outcome, Failure> {
    let mut guide = Guide::begin(cli, which, clock).await?;
    let backup = Backup::read(&which.backup).map_err(refused)?;
    let there = guide.whole.ends().await.map_err(unreachable)?.is_some();
    if let Some(backup) = &backup {
        guide.is_of_this(backup)?;
        if guide.steps.is_amid_restore() {
            return Err(refused(format!(
                "nothing was done: {} is being written back from {}, and may hold only a part: restore-offset-topic goes on with that; to delete it all the same, name another --backup file",
                guide.whole.name(),
                which.backup.display()
            )));
        }
        // Whoever died between the deletion and its note finds it made anew by workers that were started since.
        let gone = !there || guide.steps.has("deleted") || guide.whole.was_made_anew(backup).await;
        if guide.steps.has("delete") && gone {
            say(&format!("{} was backed up and deleted before: going on from there", guide.whole.name()))?;
            return guide.until_well(backup, "deleted").await;
        }
        // No worker need be stopped to learn this.
        if guide.steps.has("delete") && matches!(guide.whole.is_as_backed_up(backup).await, Ok(false)) {
            return Err(refused(other(guide.whole.name(), &which.backup, true)));
        }
    }
    if !there {
        return Err(refused(format!("there is no topic `{}`: nothing to delete", guide.whole.name())));
    }
    let names = guide.whole.connectors().await.map_err(unreachable)?;
    guide.say_what_it_costs(&names).await?;
    guide.confirmed("deletes that topic")?;
    guide.until_down().await?;
    let backup = guide.backed_up(backup).await?;
    if !guide.whole.is_as_backed_up(&backup).await.map_err(refused)? {
        return Err(refused(other(guide.whole.name(), &which.backup, guide.steps.has("delete"))));
    }
    guide.is_down_now().await?;
    // Last, since all of this takes its time: somebody may have frozen recovery since.
    guide.may_go_on().await?;
    guide.note("delete", &which.reason)?;
    failpoint::passed("delete", AFTER_INTENT);
    guide.whole.delete().await.map_err(refused)?;
    failpoint::passed("delete", AFTER_EFFECT);
    guide.note("deleted", guide.whole.name().to_owned().as_str())?;
    say(&format!("{} is deleted; it stands in {}", guide.whole.name(), which.backup.display()))?;
    guide.until_well(&backup, "deleted").await
}

/// Writes a backup back while no worker lives, and waits until the workers run again.
pub(super) async fn restore(cli: &Cli, which: &Which, clock: Clock) -> Result<Outcome, Failure> {
    let mut guide = Guide::begin(cli, which, clock).await?;
    let backup = Backup::read(&which.backup).map_err(refused)?;
    let backup = backup.ok_or_else(|| refused(format!("there is no file {}", which.backup.display())))?;
    guide.is_of_this(&backup)?;
    let names = backup.connectors();
    say(&format!(
        "every connector of {} goes on from what it had stored when {} was backed up; what that topic holds now is kept in another file and counts no more: {}",
        which.connect_cluster,
        guide.whole.name(),
        names.iter().cloned().collect::<Vec<_>>().join(", ")
    ))?;
    guide.confirmed("writes into that topic")?;
    guide.until_down().await?;
    guide.may_go_on().await?;
    guide.kept_before_restore().await?;
    guide.is_down_now().await?;
    guide.note("restore", &which.reason)?;
    let may = async || guide.may_go_on().await.map_err(|failure| failure.line);
    let written = guide.whole.write_back(&backup, may).await.map_err(refused)?;
    failpoint::passed("restore", AFTER_EFFECT);
    guide.note("restored", &format!("{written} records"))?;
    say(&format!("{written} records were written: {} is what it was", guide.whole.name()))?;
    guide.until_well(&backup, "restored").await
}

impl<'a> Guide<'a> {
    async fn begin(cli: &Cli, which: &'a Which, clock: Clock) -> Result<Self, Failure> {
        let config = config(cli, &which.state, &Connect::default())?;
        let usage = |line: String| Failure::new(Outcome::Usage, line);
        let cluster = config.connect.iter().find(|one| one.name == which.connect_cluster).cloned();
        let cluster =
            cluster.ok_or_else(|| usage(format!("no [connect.{}] is configured", which.connect_cluster)))?;
        if which.reason.trim().is_empty() || which.reason.chars().any(char::is_control) {
            return Err(usage("--reason: one line that says why".to_owned()));
        }
        let whole = WholeTopic::of(&cluster, &which.group, clock)
            .map_err(|line| Failure::new(Outcome::Configuration, line))?;
        let steps = Steps::of(&which.backup).map_err(refused)?;
        let whole = whole.going_on(&steps);
        let guide = Self { which, cluster, whole, steps, by: myself().to_string(), clock, config };
        guide.may_go_on().await?;
        Ok(guide)
    }

    /// What keeps every recovery from going on keeps this too.
    async fn may_go_on(&self) -> Result<(), Failure> {
        directory(&self.config)?;
        if self.config.recovery.policies.greatest_mode() < Mode::Approve {
            return Err(refused("recovery.mode must be \"approve\" or \"auto\""));
        }
        match self.cluster.managed_by {
            Some(ManagedBy::None) => {}
            Some(by) => {
                return Err(refused(format!(
                    "{} keeps these connectors as they are: do it there",
                    by.code()
                )));
            }
            None => return Err(refused(format!("set connect.{}.managed_by", self.cluster.name))),
        }
        let counter = counter(&self.config, self.clock).await?;
        let seen = counter.overview().await;
        counter.close().await;
        let seen = seen?;
        if let Some(reason) = seen.frozen {
            return Err(refused(format!("recovery is frozen: {reason}")));
        }
        let open = seen
            .attempts
            .iter()
            .find(|tried| tried.outcome.is_none() && tried.connect_cluster == self.cluster.name);
        open.map_or(Ok(()), |open| {
            Err(refused(format!("an attempt at {} is under way in this Connect cluster", open.connector)))
        })
    }

    fn is_of_this(&self, backup: &Backup) -> Result<(), Failure> {
        let head = &backup.head;
        if head.topic == self.whole.name() && head.connect_cluster == self.cluster.name {
            return Ok(());
        }
        Err(refused(format!(
            "{} is of {} of {}",
            self.which.backup.display(),
            head.topic,
            head.connect_cluster
        )))
    }

    fn confirmed(&self, does: &str) -> Result<(), Failure> {
        let name = self.whole.name();
        match &self.which.confirm {
            Some(confirmed) if confirmed == name => Ok(()),
            Some(other) => Err(Failure::new(
                Outcome::Usage,
                format!("--confirm names `{other}`, and the topic is `{name}`"),
            )),
            None => Err(refused(format!("nothing was done; the same command with --confirm {name} {does}"))),
        }
    }

    fn note(&mut self, step: &str, says: &str) -> Result<(), Failure> {
        let at_ms = i64::try_from(self.clock.since_1970().as_millis()).unwrap_or(i64::MAX);
        let line = Line { at_ms, by: self.by.clone(), step: step.to_owned(), says: says.to_owned() };
        tracing::warn!(
            connect_cluster = self.cluster.name,
            topic = self.whole.name(),
            step,
            by = self.by,
            says,
            "offsets topic"
        );
        self.steps.append(line).map_err(refused)
    }

    /// Every connector by name, with what it would do without an offset.
    async fn say_what_it_costs(&self, names: &BTreeSet<String>) -> Result<(), Failure> {
        let listed = self.listed().await;
        say(&format!(
            "deleting {} makes every connector of {} begin without a position, not only one in trouble (for one: resumeguard recovery run CONNECTOR --strategy reset-offsets):",
            self.whole.name(),
            self.which.connect_cluster
        ))?;
        for name in names {
            let of_it = listed.as_ref().ok().and_then(|listed| listed.iter().find(|one| one.name == *name));
            say(&format!("  {name}: {}", cost(listed.is_ok(), of_it)))?;
        }
        if let Err(error) = &listed {
            say(&format!(
                "  (Kafka Connect does not list them now, so how they are configured is not known: {error})"
            ))?;
        }
        Ok(())
    }

    async fn listed(&self) -> Result<Vec<Listed>, String> {
        let client = Client::new(&self.cluster).map_err(|error| error.to_string())?;
        client.listing(LISTS).await.map_err(|error| error.to_string())
    }

    /// Until no worker lives, and for a while.
    async fn until_down(&mut self) -> Result<(), Failure> {
        let begun = self.clock.uptime();
        let (mut since, mut told, mut noted) = (None, None::<Duration>, false);
        loop {
            let standing = self.whole.standing().await;
            if self.whole.has_seen_group() && !std::mem::replace(&mut noted, true) {
                self.note("group_seen", &self.which.group)?;
            }
            let now = self.clock.uptime();
            let says = match standing {
                Standing::Down if since.is_some_and(|since| now.saturating_sub(since) >= STILL) => {
                    return say("no worker lives");
                }
                Standing::Down => {
                    since.get_or_insert(now);
                    None
                }
                Standing::Up(line) => {
                    since = None;
                    Some(format!("STOP EVERY WORKER of {} now: {line}", self.which.connect_cluster))
                }
                Standing::Another(line) => return Err(Failure::new(Outcome::Usage, line)),
                Standing::Unknown(line) => {
                    since = None;
                    Some(format!(
                        "whether a worker of {} lives is not known: {line}",
                        self.which.connect_cluster
                    ))
                }
            };
            if let Some(line) = says.filter(|_| told.is_none_or(|told| now.saturating_sub(told) >= TELL)) {
                told = Some(now);
                say(&line)?;
            }
            if now.saturating_sub(begun) >= self.which.wait {
                return Err(unreachable(
                    "the workers were not down in time; nothing was changed; the same command goes on",
                ));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The last look before something is changed.
    async fn is_down_now(&self) -> Result<(), Failure> {
        match self.whole.standing().await {
            Standing::Down => Ok(()),
            Standing::Up(line) | Standing::Unknown(line) | Standing::Another(line) => {
                Err(refused(format!("nothing was changed: {line}")))
            }
        }
    }

    /// A backup of what the topic holds now that nobody writes to it.
    async fn backed_up(&mut self, before: Option<Backup>) -> Result<Backup, Failure> {
        if let Some(backup) = before {
            return Ok(backup);
        }
        self.back_up(&self.which.backup, "backed_up").await
    }

    /// What the topic holds now is lost when another backup is written back: it is kept beside that one.
    async fn kept_before_restore(&mut self) -> Result<(), Failure> {
        if self.whole.ends().await.map_err(unreachable)?.is_none() {
            return Ok(());
        }
        let path = before_restore(&self.which.backup).map_err(refused)?;
        self.back_up(&path, "kept_before_restore").await.map(drop)
    }

    async fn back_up(&mut self, path: &Path, step: &str) -> Result<Backup, Failure> {
        let at_ms = i64::try_from(self.clock.since_1970().as_millis()).unwrap_or(i64::MAX);
        let copies = self.whole.replication().await.map_err(unreachable)?;
        let settings = match self.whole.settings().await {
            Ok(settings) => Some(settings),
            Err(line) => {
                say(&format!("what is set on the topic is not kept with it: {line}"))?;
                None
            }
        };
        let (cluster, topic, reason) = (&self.cluster.name, self.whole.name(), &self.which.reason);
        let head = Head { settings, ..Head::new(cluster, topic, copies, at_ms, &self.by, reason) };
        let records = self.whole.back_up(path, head).await.map_err(refused)?;
        failpoint::passed(step, AFTER_EFFECT);
        // What is on the disk counts, not what was meant.
        let backup = Backup::read(path).map_err(refused)?.ok_or_else(|| refused("the backup vanished"))?;
        self.note(step, &format!("{records} records in {}", path.display()))?;
        say(&format!(
            "{records} records of {} connectors are in {} (0600)",
            backup.connectors().len(),
            path.display()
        ))?;
        Ok(backup)
    }

    /// Until the workers are started again and their connectors run.
    async fn until_well(&mut self, backup: &Backup, after: &str) -> Result<Outcome, Failure> {
        let names = &backup.connectors();
        say(&format!(
            "START THE WORKERS again, with the properties that they had: Kafka Connect makes {} anew where it is gone, with cleanup.policy=compact",
            self.whole.name()
        ))?;
        let listed = self.until_up().await?;
        match self.whole.is_compacted().await {
            Some(true) => say(&format!("{} is there, and compacted", self.whole.name()))?,
            Some(false) => {
                return Err(refused(format!(
                    "`{}` is not compacted: somebody else has made it anew; stop the workers, and delete it once more with another --backup",
                    self.whole.name()
                )));
            }
            None => say(&format!(
                "whether {} is compacted may not be asked (DescribeConfigs on the topic)",
                self.whole.name()
            ))?,
        }
        self.say_what_it_lacks(&backup.head).await?;
        let (ill, looked_at) = self.until_running(listed).await?;
        let (others, outcome) = verdict(names, &looked_at, ill.len());
        let says = format!("after it was {after}: {} of {} do not run", ill.len(), looked_at.len());
        self.note("verified", &format!("{says}, {} were not looked at", others.len()))?;
        for line in &ill {
            say(line)?;
        }
        if looked_at.is_empty() {
            say("Kafka Connect lists no MongoDB source connector: whether any connector runs is not known")?;
        } else if ill.is_empty() {
            say("every connector that was looked at runs, or was paused or stopped by somebody")?;
        }
        if !others.is_empty() {
            say(&format!(
                "not looked at, since Connect lists no such MongoDB source connector; look at them yourself: {}",
                others.join(", ")
            ))?;
        }
        Ok(outcome)
    }

    /// What was set on the topic before and is not now: whoever makes it anew knows nothing of that.
    async fn say_what_it_lacks(&self, head: &Head) -> Result<(), Failure> {
        let name = self.whole.name();
        let Some(had) = &head.settings else {
            return say(&format!(
                "what was set on {name} before is not known: look whether it had settings of its own (retention, segment.bytes …)"
            ));
        };
        let (lacks, copies) = match self.whole.settings().await {
            Ok(has) => (lacking(had, &has), self.whole.replication().await.map_err(unreachable)?),
            Err(line) => {
                return say(&format!("whether {name} has the settings that it had is not known: {line}"));
            }
        };
        if let Some(policy) = was_cleaned_by(had) {
            say(&format!(
                "{name} had cleanup.policy={policy}: leave it compact, since Kafka Connect needs the last record of every key"
            ))?;
        }
        if !lacks.is_empty() {
            say(&format!(
                "{name} has not all the settings that it had; to give them back: kafka-configs.sh --alter --topic {name} --add-config {}",
                lacks.join(",")
            ))?;
        }
        if copies != head.replication {
            say(&format!(
                "{name} had {} copies of each partition and has {copies}: kafka-reassign-partitions.sh changes that",
                head.replication
            ))?;
        }
        Ok(())
    }

    async fn until_up(&self) -> Result<Vec<Listed>, Failure> {
        let (begun, mut told) = (self.clock.uptime(), self.clock.uptime());
        loop {
            let (listed, now) = (self.listed().await, self.clock.uptime());
            let error = match listed {
                // A worker that has just started knows none of its connectors yet.
                Ok(listed) if self.whole.ends().await.is_ok_and(|ends| ends.is_some()) => return Ok(listed),
                Ok(_) => "the topic is not there yet".to_owned(),
                Err(error) => error,
            };
            if now.saturating_sub(told) >= TELL {
                told = now;
                say(&format!("waiting for the workers: {error}"))?;
            }
            if now.saturating_sub(begun) >= self.which.wait {
                return Err(unreachable("the workers were not up in time; the same command goes on"));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Lines about those that do not run in time, and the names of all that were looked at.
    async fn until_running(
        &self,
        mut listed: Vec<Listed>,
    ) -> Result<(Vec<String>, BTreeSet<String>), Failure> {
        let begun = self.clock.uptime();
        loop {
            let ill: Vec<String> = listed.iter().filter_map(illness).collect();
            let names: BTreeSet<String> = listed.iter().map(|one| one.name.clone()).collect();
            let waited = self.clock.uptime().saturating_sub(begun);
            if (ill.is_empty() && !names.is_empty()) || waited >= RUNS {
                return Ok((ill, names));
            }
            tokio::time::sleep(AGAIN).await;
            if let Ok(again) = self.listed().await {
                listed = again;
            }
        }
    }
}
