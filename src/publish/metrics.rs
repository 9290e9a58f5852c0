//! Every metric that resumeguard exports. The text beside a name is its HELP.

use super::families::{Family, encode};
use super::recovery::{Seen, State};
use crate::sources::Meter;
use prometheus::core::Collector;
use resumeguard_core::domain::{
    ConnectorReport, ConnectorState, LossCause, OffsetsFrom, OnRestart, OplogReport, Snapshot, TaskState,
    Verdict,
};
use resumeguard_core::recovery::{Blocker, Mode, Strategy};

/// What the daemon counts of itself.
#[derive(Debug)]
pub struct Own {
    /// Passes made.
    pub passes: u64,
    /// How long they took, seconds.
    pub durations: prometheus::Histogram,
    /// How the configuration was last read; `None` before anybody has said.
    pub reload: Option<Reload>,
}

/// How the configuration was last read, at the start or again.
#[derive(Debug, Clone, Copy)]
pub struct Reload {
    /// Whether it could be used.
    pub successful: bool,
    /// When the one that holds was read, seconds since 1970.
    pub at: i64,
}

impl Default for Own {
    fn default() -> Self {
        Self { passes: 0, durations: Meter::new("", "").durations, reload: None }
    }
}

/// Metrics of connectors and oplogs.
#[must_use]
pub fn subjects(snapshot: &Snapshot) -> Vec<u8> {
    let mut families = ConnectorFamilies::new();
    for connector in &snapshot.connectors {
        families.add(connector);
    }
    let mut families = families.into_vec();
    families.extend(oplogs(&snapshot.oplogs));
    encode(families)
}

/// Families whose labels begin with `connect_cluster` and `connector`.
struct ConnectorFamilies {
    info: Family,
    verdict: Family,
    unknown: Family,
    on_restart: Family,
    state: Family,
    task_failed: Family,
    position: Family,
    stored: Family,
    headroom: Family,
    ratio: Family,
    lag: Family,
    budget: Family,
    until_lost: Family,
    finding: Family,
    failures: Family,
    losses: Family,
    lost_seconds: Family,
}

impl ConnectorFamilies {
    #[rustfmt::skip]
    fn new() -> Self {
        let gauge = Family::gauge;
        Self {
            info: gauge("connector_info", "A MongoDB source connector: its class, version, deployment, namespace and where its offsets were read from (empty where they are not known). Always 1."),
            verdict: gauge("connector_verdict", "Whether the stored position would survive a restart now: 1 for the verdict that holds, 0 for the others."),
            unknown: gauge("connector_unknown", "Why the verdict is unknown: 1 for the reason that holds; absent while the verdict is known."),
            on_restart: gauge("connector_on_restart", "What a restart would do now: 1 for the outcome that holds, 0 for the others."),
            state: gauge("connector_state", "State of the connector as Connect reports it, which says nothing of its task: 1 for the state that holds, 0 for the others."),
            task_failed: gauge("connector_task_failed", "1 for each failed task's MongoDB error code (empty if its trace names none) and class; absent while no task has failed."),
            position: gauge("connector_position_timestamp_seconds", "Cluster time of the stored position, seconds since 1970 by MongoDB's clock."),
            stored: gauge("connector_stored_timestamp_seconds", "When the position was stored, seconds since 1970; absent where the source does not tell (REST)."),
            headroom: gauge("connector_oplog_headroom_seconds", "Stored position minus the oldest oplog entry it may have to resume from, seconds of oplog time; negative once lost."),
            ratio: gauge("connector_oplog_headroom_ratio", "Headroom divided by the oplog window."),
            lag: gauge("connector_lag_seconds", "Newest oplog entry minus stored position, seconds; an upper bound while the namespace is idle."),
            budget: gauge("connector_outage_budget_seconds", "Seconds until the stored position is lost if it stands still from now on; absent where that cannot be told."),
            until_lost: gauge("connector_seconds_until_lost", "Seconds until the stored position is lost with its own advance counted, at the least and at the most; absent while it keeps up."),
            finding: gauge("connector_finding", "1 for each numbered finding that matches."),
            losses: Family::counter("connector_history_losses_total", "How often history was proven to have been skipped, by cause; 0 where it never was."),
            lost_seconds: Family::counter("connector_history_lost_seconds_total", "Seconds of history that were skipped, at the most, by cause."),
            failures: Family::counter("connector_failures_total", "Task failures seen, by MongoDB error code (empty if the trace names none) and class; from when the daemon was started, or from when its history began. A series is born at 1, with the first failure of its code and class: an increase begins with the second, so alert on connector_task_failed."),
        }
    }

    fn add(&mut self, report: &ConnectorReport) {
        let id = [
            ("connect_cluster", report.id.connect_cluster.as_str()),
            ("connector", report.id.connector.as_str()),
        ];
        let [cluster, connector] = id;
        let (version, deployment) =
            (report.version.as_deref().unwrap_or(""), report.deployment.as_deref().unwrap_or(""));
        let info = [
            ("class", report.class.as_str()),
            ("version", version),
            ("deployment", deployment),
            ("mongodb_namespace", report.mongodb_namespace.as_str()),
            ("offsets", report.offsets_from.map_or("", OffsetsFrom::code)),
        ];
        self.info.add(&[&id[..], &info].concat(), 1.0);
        for code in Verdict::CODES {
            self.verdict.add(&[cluster, connector, ("verdict", code)], one_if(report.verdict.code() == code));
        }
        if let Some(why) = report.why() {
            self.unknown.add(&[cluster, connector, ("why", why.code())], 1.0);
        }
        for outcome in OnRestart::ALL {
            self.on_restart.add(
                &[cluster, connector, ("outcome", outcome.code())],
                one_if(report.on_restart == outcome),
            );
        }
        for state in ConnectorState::ALL.into_iter().filter(|_| report.state.is_some()) {
            self.state
                .add(&[cluster, connector, ("state", state.code())], one_if(report.state == Some(state)));
        }
        self.add_failures(report);
        let position = report.position.as_ref();
        self.position.add_known(&id, position.map(|p| f64::from(p.time.t)));
        self.stored.add_known(&id, position.and_then(|p| p.stored_at).map(as_f64));
        self.headroom.add_known(&id, report.headroom_seconds.map(as_f64));
        self.ratio.add_known(&id, report.headroom_ratio);
        self.lag.add_known(&id, report.lag_seconds.map(as_f64));
        self.budget.add_known(&id, report.outage_budget_seconds.map(as_f64));
        let bounds = report.until_lost.map(|range| (range.low, range.high));
        self.until_lost
            .add_known(&[cluster, connector, ("bound", "low")], bounds.map(|(low, _)| as_f64(low)));
        self.until_lost.add_known(
            &[cluster, connector, ("bound", "high")],
            bounds.and_then(|(_, high)| high).map(as_f64),
        );
        // From 0 on: a counter that is born at 1 has no increase.
        for cause in LossCause::ALL {
            let (count, seconds) = report.losses.get(&cause).copied().unwrap_or_default();
            let labels = [cluster, connector, ("cause", cause.code())];
            self.losses.add(&labels, count_as_f64(count));
            self.lost_seconds.add(&labels, count_as_f64(seconds));
        }
        for finding in &report.findings {
            let labels =
                [("rule", finding.rule), ("name", finding.name), ("severity", finding.severity.code())];
            self.finding.add(&[&id[..], &labels].concat(), 1.0);
        }
    }

    fn add_failures(&mut self, report: &ConnectorReport) {
        let [cluster, connector] = [
            ("connect_cluster", report.id.connect_cluster.as_str()),
            ("connector", report.id.connector.as_str()),
        ];
        let text = |code: Option<u32>| code.map(|code| code.to_string()).unwrap_or_default();
        let failed = report
            .tasks
            .iter()
            .filter(|task| task.state == TaskState::Failed)
            .filter_map(|task| task.failure);
        let mut shown = std::collections::BTreeSet::new();
        for failure in failed.filter(|failure| shown.insert((failure.code, failure.class))) {
            let code = text(failure.code);
            self.task_failed
                .add(&[cluster, connector, ("code", &code), ("class", failure.class.code())], 1.0);
        }
        for ((code, class), count) in &report.failures {
            let code = text(*code);
            self.failures
                .add(&[cluster, connector, ("code", &code), ("class", class.code())], count_as_f64(*count));
        }
    }

    fn into_vec(self) -> Vec<Family> {
        vec![
            self.info,
            self.verdict,
            self.unknown,
            self.on_restart,
            self.state,
            self.task_failed,
            self.position,
            self.stored,
            self.headroom,
            self.ratio,
            self.lag,
            self.budget,
            self.until_lost,
            self.finding,
            self.failures,
            self.losses,
            self.lost_seconds,
        ]
    }
}

#[rustfmt::skip]
fn oplogs(oplogs: &[OplogReport]) -> [Family; 7] {
    let gauge = Family::gauge;
    let mut first = gauge("oplog_first_timestamp_seconds", "Time of a member's oldest oplog entry, seconds since 1970 by MongoDB's clock.");
    let mut last = gauge("oplog_last_timestamp_seconds", "Time of a member's newest oplog entry, seconds since 1970 by MongoDB's clock.");
    let mut window = gauge("oplog_window_seconds", "Newest minus oldest oplog entry of a member, seconds.");
    let mut size = gauge("oplog_size_bytes", "Logical size of a member's oplog, bytes.");
    let mut max = gauge("oplog_max_size_bytes", "Configured maximum size of a member's oplog, bytes; it may be overshot.");
    let mut retention = gauge("oplog_min_retention_seconds", "Configured minimum retention of a member's oplog, seconds; 0 where none is, absent where it could not be read.");
    let mut erosion = gauge("oplog_erosion_ratio", "Seconds of history that a member's oplog loses in a second, of late; above 1 its window shrinks. Absent until it truncates.");
    for oplog in oplogs {
        let shard = oplog.shard.as_deref().unwrap_or("");
        let labels = [("deployment", oplog.deployment.as_str()), ("shard", shard), ("member", oplog.member.as_str())];
        first.add_known(&labels, oplog.first.map(|time| f64::from(time.t)));
        last.add_known(&labels, oplog.last.map(|time| f64::from(time.t)));
        window.add_known(&labels, oplog.window_seconds.map(as_f64));
        size.add_known(&labels, oplog.sizes.size_bytes.map(count_as_f64));
        max.add_known(&labels, oplog.sizes.max_size_bytes.map(count_as_f64));
        erosion.add_known(&labels, oplog.erosion_ratio);
        retention.add_known(&labels, oplog.sizes.min_retention_seconds.map(count_as_f64));
    }
    [first, last, window, size, max, retention, erosion]
}

/// Metrics of the sources and of the daemon itself.
#[must_use]
#[rustfmt::skip]
pub fn own<'a>(meters: impl Iterator<Item = &'a Meter>, own: &Own) -> Vec<u8> {
    let mut up = Family::gauge("source_up", "Whether the last reading of a source succeeded.");
    let mut reads = Family::counter("source_reads_total", "Readings of a source begun.");
    let mut failures = Family::counter("source_read_failures_total", "Readings of a source that failed.");
    let mut success = Family::gauge("source_last_success_timestamp_seconds", "When a source was last read whole, seconds since 1970.");
    let mut durations = Family::histogram("source_read_duration_seconds", "Duration of one reading of a source, seconds.");
    for meter in meters {
        let labels = [("source", meter.source), ("name", meter.name.as_str())];
        up.add(&labels, one_if(meter.facts().up));
        reads.add(&labels, count_as_f64(meter.reads));
        failures.add(&labels, count_as_f64(meter.failures));
        success.add_known(&labels, meter.last_success.map(as_f64));
        durations.add_histogram(&labels, &meter.durations);
    }
    let mut pass = Family::histogram("pass_duration_seconds", "Duration of one pass over all sources, seconds.");
    pass.add_histogram(&[], &own.durations);
    let mut passes = Family::counter("passes_total", "Passes made since the daemon started.");
    passes.add(&[], count_as_f64(own.passes));
    let mut reloaded = Family::gauge("config_last_reload_successful", "Whether the configuration could be used when it was last read, at the start or again.");
    reloaded.add_known(&[], own.reload.map(|reload| one_if(reload.successful)));
    let mut reloaded_at = Family::gauge("config_last_reload_success_timestamp_seconds", "When the configuration that holds was read, seconds since 1970.");
    reloaded_at.add_known(&[], own.reload.map(|reload| as_f64(reload.at)));
    let mut build = Family::gauge("build_info", "The daemon's version and that of the librdkafka it was built with. Always 1.");
    let librdkafka = rdkafka::util::get_rdkafka_version().1;
    build.add(&[("version", env!("CARGO_PKG_VERSION")), ("librdkafka", &librdkafka)], 1.0);
    encode(vec![up, reads, failures, success, durations, pass, passes, reloaded, reloaded_at, build])
}

/// Metrics of plans; they go stale with the pass that they were made after.
#[must_use]
#[rustfmt::skip]
pub fn plans(seen: &Seen<'_>) -> Vec<u8> {
    let mut plans = Family::gauge("recovery_plans", "Connectors in trouble by how far their plan is: blocked, discarded, awaits_approval (and nothing else keeps it), approved (begins after the next pass), ready (policy lets it begin).");
    for state in State::ALL {
        let count = seen.plans.iter().filter(|planned| seen.state_of(planned) == state).count();
        plans.add(&[("state", state.code())], length_as_f64(count));
    }
    let mut blocked = Family::gauge("recovery_blocked", "Plans that are kept from being carried out, by what keeps them; one plan may have several reasons.");
    for reason in Blocker::CODES {
        let holds = |blocker: &Blocker| blocker.code() == reason;
        let count = seen.plans.iter().filter(|planned| planned.blockers.iter().any(holds)).count();
        blocked.add(&[("reason", reason)], length_as_f64(count));
    }
    encode(vec![plans, blocked])
}

/// Metrics of recovery itself; counters are those of the journal, so they outlive a restart.
#[must_use]
#[rustfmt::skip]
pub fn recovery(seen: &Seen<'_>) -> Vec<u8> {
    let mut mode = Family::gauge("recovery_mode", "The most that recovery may do to any connector: 1 for the mode that holds, 0 for the others.");
    for one in Mode::ALL {
        mode.add(&[("mode", one.code())], one_if(seen.mode == one));
    }
    let mut frozen = Family::gauge("recovery_frozen", "Whether all recovery is stopped, by configuration, file, command or API.");
    frozen.add(&[], one_if(seen.frozen.is_some()));
    let mut attempts = Family::counter("recovery_attempts_total", "Attempts at recovering a connector that were begun, by strategy.");
    let mut failures = Family::counter("recovery_failures_total", "Attempts that failed, whether or not everything could be put back, by strategy.");
    for strategy in Strategy::ALL {
        let tally = seen.ledger.tally(strategy);
        attempts.add(&[("strategy", strategy.code())], count_as_f64(tally.attempts));
        failures.add(&[("strategy", strategy.code())], count_as_f64(tally.failures));
    }
    let mut open = Family::gauge("recovery_in_progress", "Attempts that have been begun and have not ended.");
    open.add(&[], length_as_f64(seen.ledger.open_attempts().count()));
    let mut success = Family::gauge("recovery_last_success_timestamp_seconds", "When an attempt last brought its connector back, seconds since 1970; absent until one has.");
    success.add_known(&[], seen.ledger.last_success_ms().map(|ms| as_f64(ms.div_euclid(1000))));
    encode(vec![mode, frozen, attempts, failures, open, success])
}

/// The customary `process_*` metrics of this process. Reads `/proc`.
#[must_use]
pub fn process() -> Vec<u8> {
    let families = prometheus::process_collector::ProcessCollector::for_self().collect();
    let mut page = Vec::new();
    if let Err(error) = prometheus::Encoder::encode(&prometheus::TextEncoder::new(), &families, &mut page) {
        tracing::error!(%error, "the process metrics could not be encoded");
    }
    page
}

fn one_if(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "seconds, far below 2^53")]
fn as_f64(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts, far below 2^53")]
fn length_as_f64(value: usize) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes, far below 2^53")]
fn count_as_f64(value: u64) -> f64 {
    value as f64
}
