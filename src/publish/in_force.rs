//! Which settings count for a connector and where they come from, in words for its page. Nothing that is secret is among them.

use super::words::{duration, percent};
use crate::config::{Config, ConnectCluster, Place, Written};
use resumeguard_core::assess::Thresholds;
use resumeguard_core::domain::{ConnectorId, Facts, Observed, OffsetsFrom, ReadPreference, Selection};
use resumeguard_core::recovery::{ManagedBy, Policies, Policy, Rule, Trigger};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use wildmatch::WildMatch;

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
    written: Written,
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
            written: config.written.clone(),
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
        let levels = thresholds.levels_for(id);
        let special = thresholds.override_for(id);
        let special = special
            .map(|special| Table::matching(&["thresholds", "overrides", &special.name], &special.glob));
        let from = |keys: &[&'static str]| {
            let usual = Table::of(&["thresholds"]);
            let place = |&key: &&'static str| match &special {
                Some(special) if self.is_written(special, key) => (special.clone(), key),
                _ => (usual.clone(), key),
            };
            self.told(keys.iter().map(place))
        };
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
        // A budget that nobody asks for is not told.
        let keys = |all: [&'static str; 3], budget: f64| {
            let shown = if budget > 0.0 { &all[..] } else { &all[..2] };
            from(shown)
        };
        let window = levels.window_needed.map_or_else(|| "any".to_owned(), span);
        let offset_flush = self.told([(Table::of(&["poll"]), "offset_flush")]);
        vec![
            setting(
                "At risk below",
                below(levels.at_risk_seconds, levels.at_risk_ratio, levels.at_risk_budget),
                keys(["at_risk", "at_risk_ratio", "at_risk_budget"], levels.at_risk_budget),
            ),
            setting(
                "Critical below",
                below(levels.critical_seconds, levels.critical_ratio, levels.critical_budget),
                keys(["critical", "critical_ratio", "critical_budget"], levels.critical_budget),
            ),
            setting("Window asked of its oplog", window, from(&["window_needed"])),
            setting(
                "Better again",
                format!("{} above the limit that was broken", percent(thresholds.hysteresis)),
                self.told([(Table::of(&["thresholds"]), "hysteresis")]),
            ),
            setting("A newer position is stored within", span(thresholds.offset_flush), offset_flush),
        ]
    }

    fn reading(&self, id: &ConnectorId) -> Vec<Setting> {
        let own = self.own.get(id);
        let from = own.and_then(|own| own.offsets_from).map_or("nowhere so far", OffsetsFrom::code);
        let cluster = self.configured.clusters.get(&id.connect_cluster);
        let places = cluster.map_or_else(
            || "not configured any more".to_owned(),
            |cluster| {
                let written = self.told([(Table::of(&["connect", &id.connect_cluster]), "offsets")]);
                format!("{written}: {}", cluster.places)
            },
        );
        let preference = match own.map(|own| &own.selection) {
            Some(Ok(selection)) => selected(selection),
            Some(Err(why)) => format!("not known: {}", why.sentence()),
            None => "not known".to_owned(),
        };
        vec![
            setting("Its position was read from", from.to_owned(), places),
            setting("It reads MongoDB from", preference, "its own connection string".to_owned()),
        ]
    }

    fn recovery(&self, id: &ConnectorId) -> Vec<Setting> {
        let policies = &self.configured.policies;
        let of_all =
            |keys: &[&'static str]| self.told(keys.iter().map(|&key| (Table::of(&["recovery"]), key)));
        let managed_by =
            self.configured.clusters.get(&id.connect_cluster).and_then(|cluster| cluster.managed_by);
        let managed_by = managed_by.map_or("nobody has said", ManagedBy::code);
        let share = percent(policies.mass_failure_ratio);
        let threshold = policies.threshold_for(id).zip(policies.threshold_seconds(id));
        let threshold = threshold.map(|(policy, seconds)| {
            let from = self.told([(policy_table(policy, id), "threshold")]);
            setting("Trouble below", format!("{} of headroom", duration(seconds)), from)
        });
        let mut settings = vec![self.may_be_done(id)];
        settings.extend(threshold);
        settings.extend([
            setting(
                "Between two attempts",
                format!("{}, and {} that fail at the most", span(policies.cooldown), policies.attempts),
                of_all(&["cooldown", "attempts"]),
            ),
            setting(
                "A mass failure is",
                format!("{} lost at once, or {share} of its Connect cluster", policies.mass_failure),
                of_all(&["mass_failure", "mass_failure_ratio"]),
            ),
            setting(
                "Its connectors are managed by",
                managed_by.to_owned(),
                self.told([(Table::of(&["connect", &id.connect_cluster]), "managed_by")]),
            ),
        ]);
        settings
    }

    /// In which trouble; one word where it is the same in all of it, and so is who says so.
    fn may_be_done(&self, id: &ConnectorId) -> Setting {
        let each = Trigger::ALL.map(|trigger| {
            let (rule, from) = self.rule(id, trigger);
            (trigger.code().replace('_', " "), rule, from)
        });
        let name = "What may be done";
        let [(_, first, place), ..] = &each;
        let value = if each.iter().all(|(_, rule, _)| rule == first) {
            format!("mode {first}")
        } else {
            each.iter().map(|(trigger, rule, _)| format!("{trigger}: {rule}")).collect::<Vec<_>>().join("; ")
        };
        if each.iter().all(|(.., from)| from == place) {
            return setting(name, value, place.clone());
        }
        let told = grouped(each.iter().map(|(trigger, _, from)| (from.as_str(), trigger.as_str())));
        let told = told.iter().map(|(from, triggers)| format!("{}: {from}", triggers.join(", ")));
        setting(name, value, told.collect::<Vec<_>>().join("; "))
    }

    /// What may be done in one kind of trouble, and who says so.
    fn rule(&self, id: &ConnectorId, trigger: Trigger) -> (String, String) {
        let policies = &self.configured.policies;
        let Rule { mode, strategy } = policies.rule(id, trigger);
        let policy = policies.policy_for(id, trigger);
        let by_policy = policy.map(|policy| policy_table(policy, id));
        let says_mode = by_policy.clone().filter(|_| policy.is_some_and(|policy| policy.mode.is_some()));
        let says_strategy = by_policy.filter(|_| strategy.is_some()).map(|table| (table, "strategy"));
        let mode_from = (says_mode.unwrap_or_else(|| Table::of(&["recovery"])), "mode");
        let rule = strategy
            .map_or_else(|| mode.code().to_owned(), |how| format!("{} by {}", mode.code(), how.code()));
        (rule, self.told(std::iter::once(mode_from).chain(says_strategy)))
    }

    fn is_written(&self, table: &Table, key: &str) -> bool {
        self.configured.written.place(&table.path(key)) != Place::Nowhere
    }

    /// Where keys are written, in words: tables and keys as a file has them, variables, or that a default counts.
    fn told(&self, keys: impl IntoIterator<Item = (Table, &'static str)>) -> String {
        let places = keys.into_iter().map(|(table, key)| {
            let glob = table.glob.as_ref().map(|glob| format!(" (“{glob}”)")).unwrap_or_default();
            let path = table.path(key);
            match self.configured.written.place(&path) {
                Place::File => ((table.to_string(), glob), key.to_owned()),
                Place::Environment => (("by".to_owned(), glob), variable(&path)),
                Place::Nowhere => ((format!("default of {table}"), glob), key.to_owned()),
            }
        });
        let said = grouped(places);
        let said = said.iter().map(|((place, glob), keys)| format!("{place} {}{glob}", keys.join(", ")));
        said.collect::<Vec<_>>().join("; ")
    }
}

/// A table of the configuration, and the glob by which it names a connector.
#[derive(Debug, Clone)]
struct Table {
    path: Vec<String>,
    glob: Option<String>,
}

impl Table {
    fn of(path: &[&str]) -> Self {
        Self { path: path.iter().map(|&part| part.to_owned()).collect(), glob: None }
    }

    fn matching(path: &[&str], glob: &WildMatch) -> Self {
        Self { glob: Some(glob.to_string()), ..Self::of(path) }
    }

    fn path<'a>(&'a self, key: &'a str) -> Vec<&'a str> {
        self.path.iter().map(String::as_str).chain([key]).collect()
    }
}

/// As a file has it: a name that is no bare key stands in quotes.
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_bare = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let part = |part: &String| if is_bare(part) { part.clone() } else { format!("{part:?}") };
        write!(f, "[{}]", self.path.iter().map(part).collect::<Vec<_>>().join("."))
    }
}

/// The variable of the environment for a key.
fn variable(path: &[&str]) -> String {
    format!("RESUMEGUARD__{}", path.join("__").to_uppercase())
}

/// The table of a policy that names this connector.
fn policy_table(policy: &Policy, id: &ConnectorId) -> Table {
    let path = ["recovery", "policies", &policy.name];
    policy.glob_for(id).map_or_else(|| Table::of(&path), |glob| Table::matching(&path, glob))
}

/// What belongs to the same, in the order in which it comes up first.
fn grouped<K: PartialEq, V>(all: impl Iterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in all {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

fn setting(name: &'static str, value: String, from: String) -> Setting {
    Setting { name, value, from }
}

fn span(time: Duration) -> String {
    duration(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "limits of days at the most, in whole seconds")]
fn seconds(time: f64) -> String {
    duration(time.round() as i64)
}

/// Where positions may be read, in order.
fn places(one: &ConnectCluster) -> String {
    let place = |from: &OffsetsFrom| match (from, &one.offsets.topic, &one.offsets.file) {
        (OffsetsFrom::Topic, Some(topic), _) => format!("topic {}", topic.topic),
        (OffsetsFrom::File, _, Some(file)) => format!("file {}", file.display()),
        (OffsetsFrom::Rest, _, _) => "REST".to_owned(),
        (from, _, _) => from.code().to_owned(),
    };
    let order: Vec<String> = one.offsets.order.iter().map(place).collect();
    order.join(", then ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Sources};

    /// What is configured, by files and by the environment.
    fn in_force(text: &str, environment: &[(&str, &str)]) -> InForce {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let files = vec![file.path().to_owned()];
        let sources = Sources { files, environment: environment.collect(), ..Sources::default() };
        InForce::of(&config::load(&sources).unwrap().1)
    }

    /// Value and origin of one setting of `main/CONNECTOR`.
    fn of(in_force: &InForce, connector: &str, name: &str) -> (String, String) {
        let mut settings = in_force.of_connector("main", connector).into_iter();
        let found = settings.find(|setting| setting.name == name);
        found.map(|setting| (setting.value, setting.from)).unwrap_or_default()
    }

    const CONFIG: &str = "[connect.main]\nurl = \"http://127.0.0.1:9\"\noffsets = \"rest\"\n\
        [thresholds]\ncritical = \"1h\"\n\
        [thresholds.overrides.a-strict]\nconnectors = [\"nobody\", \"main/billing-*\"]\nat_risk = \"20h\"\nat_risk_budget = \"2h\"\n\
        [thresholds.overrides.\"b.lax\"]\nconnectors = [\"*ing-*\"]\nat_risk = \"3h\"\nwindow_needed = \"2d\"\n";

    #[test]
    fn limits_name_the_override_and_the_glob_that_count_and_what_it_leaves_to_others() {
        let known = in_force(CONFIG, &[]);
        let (value, from) = of(&known, "billing-eu", "At risk below");
        assert!(value.starts_with("20h of headroom, or 50 % of the window"), "{value}");
        assert_eq!(
            from,
            "[thresholds.overrides.a-strict] at_risk, at_risk_budget (“main/billing-*”); default of [thresholds] at_risk_ratio"
        );
        // What the override that counts does not say is said by nobody else's override.
        assert_eq!(
            of(&known, "billing-eu", "Critical below").1,
            "[thresholds] critical; default of [thresholds] critical_ratio"
        );
        let window = ("any".to_owned(), "default of [thresholds] window_needed".to_owned());
        assert_eq!(of(&known, "billing-eu", "Window asked of its oplog"), window);
        let window =
            ("2d".to_owned(), "[thresholds.overrides.\"b.lax\"] window_needed (“*ing-*”)".to_owned());
        assert_eq!(of(&known, "shipping-eu", "Window asked of its oplog"), window);
        // One that no override names.
        assert_eq!(of(&known, "orders", "At risk below").1, "default of [thresholds] at_risk, at_risk_ratio");
        assert_eq!(of(&known, "orders", "Its position was read from").1, "[connect.main] offsets: REST");
    }

    #[test]
    fn what_the_environment_says_is_named_by_its_variable() {
        let known = in_force(
            CONFIG,
            &[("RESUMEGUARD__POLL__OFFSET_FLUSH", "20s"), ("RESUMEGUARD__THRESHOLDS__CRITICAL", "2h")],
        );
        let flush = ("20s".to_owned(), "by RESUMEGUARD__POLL__OFFSET_FLUSH".to_owned());
        assert_eq!(of(&known, "orders", "A newer position is stored within"), flush);
        let (value, from) = of(&known, "orders", "Critical below");
        assert!(value.starts_with("2h of headroom"), "{value}");
        assert_eq!(from, "by RESUMEGUARD__THRESHOLDS__CRITICAL; default of [thresholds] critical_ratio");
    }

    #[test]
    fn each_trouble_names_the_policy_that_counts_in_it() {
        let known = in_force(
            "[connect.main]\nurl = \"http://127.0.0.1:9\"\n[recovery]\nmode = \"off\"\n\
             [recovery.policies.a]\nconnectors = [\"billing-*\"]\non = [\"history_lost\"]\nstrategy = \"reset-offsets\"\n\
             [recovery.policies.b]\nconnectors = [\"main/b*\"]\nmode = \"plan\"\n\
             [recovery.policies.c]\nconnectors = [\"*\"]\nthreshold = \"3h\"\n",
            &[],
        );
        let (value, from) = of(&known, "billing-eu", "What may be done");
        assert!(value.contains("history lost: off by reset-offsets"), "{value}");
        let a = "history lost: [recovery] mode; [recovery.policies.a] strategy (“billing-*”)";
        assert!(from.contains(a), "{from}");
        assert!(from.contains(": [recovery.policies.b] mode (“main/b*”)"), "{from}");
        let b = ("mode plan".to_owned(), "[recovery.policies.b] mode (“main/b*”)".to_owned());
        assert_eq!(of(&known, "books", "What may be done"), b);
        // It is named by a policy that says nothing of modes.
        assert_eq!(
            of(&known, "orders", "What may be done"),
            ("mode off".to_owned(), "[recovery] mode".to_owned())
        );
        let c = ("3h of headroom".to_owned(), "[recovery.policies.c] threshold (“*”)".to_owned());
        assert_eq!(of(&known, "books", "Trouble below"), c);
        assert_eq!(
            of(&known, "orders", "Between two attempts").1,
            "default of [recovery] cooldown, attempts"
        );
    }
}
