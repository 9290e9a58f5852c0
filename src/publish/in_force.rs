//! Which settings count for a connector and where they come from, in words for its page. Nothing that is secret is among them.

use super::words::{duration, percent};
use crate::config::{Config, ConnectCluster};
use resumeguard_core::assess::Thresholds;
use resumeguard_core::domain::{ConnectorId, Facts, Observed, OffsetsFrom, ReadPreference, Selection};
use resumeguard_core::recovery::{ManagedBy, Policies, Rule, Trigger};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What a pass was made by. Made where a configuration is read, and once a pass for what each connector has of its own.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    configured: Arc<Configured>,
    own: Arc<HashMap<ConnectorId, Own>>,
}

#[derive(Debug, Default)]
struct Configured {
    thresholds: Thresholds,
    policies: Policies,
    clusters: BTreeMap<String, Cluster>,
}

#[derive(Debug)]
struct Cluster {
    places: String,
    managed_by: Option<ManagedBy>,
}

#[derive(Debug)]
struct Own {
    offsets_from: Option<OffsetsFrom>,
    selection: Observed<Selection>,
}

/// One setting: what it is called, what it is, where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) from: String,
}

impl InForce {
    /// What a configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let cluster = |one: &ConnectCluster| {
            (one.name.clone(), Cluster { places: places(one), managed_by: one.managed_by })
        };
        let configured = Configured {
            thresholds: config.thresholds.clone(),
            policies: config.recovery.policies.clone(),
            clusters: config.connect.iter().map(cluster).collect(),
        };
        Self { configured: Arc::new(configured), own: Arc::default() }
    }

    /// The same, with what a pass has seen of each connector.
    #[must_use]
    pub fn seen(&self, facts: &Facts) -> Self {
        let own = facts.connectors.iter().map(|one| {
            (one.id.clone(), Own { offsets_from: one.offsets_from, selection: one.selection.clone() })
        });
        Self { configured: Arc::clone(&self.configured), own: Arc::new(own.collect()) }
    }

    /// What counts for one connector.
    pub(super) fn of_connector(&self, connect_cluster: &str, connector: &str) -> Vec<Setting> {
        let id = ConnectorId::new(connect_cluster, connector);
        let mut settings = self.thresholds(&id);
        settings.extend(self.reading(&id));
        settings.extend(self.recovery(&id));
        settings
    }

    fn thresholds(&self, id: &ConnectorId) -> Vec<Setting> {
        let thresholds = &self.configured.thresholds;
        let (levels, full) = (thresholds.levels_for(id), id.to_string());
        let named = |(number, (glob, _)): (usize, &(wildmatch::WildMatch, _))| {
            (glob.matches(&id.connector) || glob.matches(&full))
                .then(|| format!("override {}, “{glob}”", number + 1))
        };
        let from = thresholds.overrides.iter().enumerate().find_map(named);
        let from = from.unwrap_or_else(|| "[thresholds]".to_owned());
        let below = |left: f64, ratio: f64, budget: f64| {
            let budget = if budget > 0.0 {
                format!("; or an outage budget under {}", seconds(budget))
            } else {
                String::new()
            };
            format!(
                "{} of headroom, or {} of the window where that is less{budget}",
                seconds(left),
                percent(ratio)
            )
        };
        let window = levels.window_needed.map_or_else(|| "any".to_owned(), span);
        vec![
            setting(
                "At risk below",
                below(levels.at_risk_seconds, levels.at_risk_ratio, levels.at_risk_budget),
                &from,
            ),
            setting(
                "Critical below",
                below(levels.critical_seconds, levels.critical_ratio, levels.critical_budget),
                &from,
            ),
            setting("Window asked of its oplog", window, &from),
            setting(
                "Better again",
                format!("{} above the limit that was broken", percent(thresholds.hysteresis)),
                "[thresholds]",
            ),
            setting("A newer position is stored within", span(thresholds.offset_flush), "poll.offset_flush"),
        ]
    }

    fn reading(&self, id: &ConnectorId) -> Vec<Setting> {
        let own = self.own.get(id);
        let from = own.and_then(|own| own.offsets_from).map_or("nowhere so far", OffsetsFrom::code);
        let cluster = self.configured.clusters.get(&id.connect_cluster);
        let places = cluster.map_or("by REST", |cluster| cluster.places.as_str());
        let preference = match own.map(|own| &own.selection) {
            Some(Ok(selection)) => selected(selection),
            Some(Err(why)) => format!("not known: {}", why.sentence()),
            None => "not known".to_owned(),
        };
        vec![
            setting("Its position was read from", from.to_owned(), places),
            setting("It reads MongoDB from", preference, "its own connection string"),
        ]
    }

    fn recovery(&self, id: &ConnectorId) -> Vec<Setting> {
        let policies = &self.configured.policies;
        let full = id.to_string();
        let named = policies.policies.iter().filter(|policy| {
            policy.connectors.iter().any(|glob| glob.matches(&id.connector) || glob.matches(&full))
        });
        let named: Vec<&str> = named.map(|policy| policy.name.as_str()).collect();
        let from =
            if named.is_empty() { "[recovery]".to_owned() } else { format!("policy {}", named.join(", ")) };
        let managed_by =
            self.configured.clusters.get(&id.connect_cluster).and_then(|cluster| cluster.managed_by);
        let managed_by = managed_by.map_or("nobody has said", ManagedBy::code);
        let share = percent(policies.mass_failure_ratio);
        let threshold = policies
            .threshold_seconds(id)
            .map(|seconds| setting("Trouble below", format!("{} of headroom", duration(seconds)), &from));
        let mut settings = vec![setting("What may be done", rules(policies, id), &from)];
        settings.extend(threshold);
        settings.extend([
            setting(
                "Between two attempts",
                format!("{}, and {} that fail at the most", span(policies.cooldown), policies.attempts),
                "[recovery]",
            ),
            setting(
                "A mass failure is",
                format!("{} lost at once, or {share} of its Connect cluster", policies.mass_failure),
                "[recovery]",
            ),
            setting("Its connectors are managed by", managed_by.to_owned(), "connect.NAME.managed_by"),
        ]);
        settings
    }
}

fn setting(name: &'static str, value: String, from: &str) -> Setting {
    Setting { name, value, from: from.to_owned() }
}

fn span(time: Duration) -> String {
    duration(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "limits of days at the most, in whole seconds")]
fn seconds(time: f64) -> String {
    duration(time.round() as i64)
}

/// Where positions may be read, in order, and why.
fn places(one: &ConnectCluster) -> String {
    let place = |from: &OffsetsFrom| match (from, &one.offsets.topic, &one.offsets.file) {
        (OffsetsFrom::Topic, Some(topic), _) => format!("topic {}", topic.topic),
        (OffsetsFrom::File, _, Some(file)) => format!("file {}", file.display()),
        (OffsetsFrom::Rest, _, _) => "REST".to_owned(),
        (from, _, _) => from.code().to_owned(),
    };
    let order: Vec<String> = one.offsets.order.iter().map(place).collect();
    format!("configured: {}", order.join(", then "))
}

fn selected(selection: &Selection) -> String {
    match selection {
        Selection::Direct(host) => format!("{host} alone"),
        Selection::Hidden => "any member: a placeholder hides which".to_owned(),
        Selection::Preference { preference, tag_sets, max_staleness } => {
            let preference = match preference {
                ReadPreference::Primary => "the primary",
                ReadPreference::PrimaryPreferred => "the primary, a secondary while there is none",
                ReadPreference::Secondary => "secondaries",
                ReadPreference::SecondaryPreferred => "secondaries, the primary while there is none",
                ReadPreference::Nearest => "any member",
            };
            let tags = if tag_sets.is_empty() { "" } else { ", by tags" };
            let staleness =
                max_staleness.map(|seconds| format!(", at most {} behind", duration(i64::from(seconds))));
            format!("{preference}{tags}{}", staleness.unwrap_or_default())
        }
    }
}

/// What may be done in which trouble: one word where it is the same in all of it.
fn rules(policies: &Policies, id: &ConnectorId) -> String {
    let said = |Rule { mode, strategy }: Rule| {
        strategy.map_or_else(|| mode.code().to_owned(), |how| format!("{} by {}", mode.code(), how.code()))
    };
    let each =
        Trigger::ALL.map(|trigger| (trigger.code().replace('_', " "), said(policies.rule(id, trigger))));
    if each.iter().all(|(_, rule)| *rule == each[0].1) {
        return format!("mode {}", each[0].1);
    }
    each.map(|(trigger, rule)| format!("{trigger}: {rule}")).join("; ")
}
