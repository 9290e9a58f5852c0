//! What somebody has allowed.

use super::strategy::suited;
use super::{Mode, Strategy, Trigger};
use crate::domain::ConnectorId;
use std::time::Duration;
use wildmatch::WildMatch;

/// What holds for some connectors and kinds of trouble.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name in the configuration.
    pub name: String,
    /// Globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    pub connectors: Vec<WildMatch>,
    /// Which trouble; empty: all of it.
    pub on: Vec<Trigger>,
    /// What may be done.
    pub mode: Option<Mode>,
    /// How, in trouble that it is made for; `None`, and in other trouble: what loses least.
    pub strategy: Option<Strategy>,
    /// [`Trigger::LowHeadroom`] below this.
    pub threshold: Option<Duration>,
}

/// The first documented cure's change in the source collection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TolerateSettings {
    /// Fields of the marker document besides its `_id`, as a JSON object; `None`: one field that says what it is.
    pub marker: Option<serde_json::Value>,
}

/// Everything that is configured of recovery.
#[derive(Debug, Clone)]
pub struct Policies {
    /// For connectors and trouble that no policy names.
    pub mode: Mode,
    /// The first that matches counts.
    pub policies: Vec<Policy>,
    /// Between two attempts at one connector.
    pub cooldown: Duration,
    /// Attempts at one connector that failed, or lost history within a day though they succeeded, before a person has to
    /// acknowledge.
    pub attempts: u32,
    /// So many connectors of one Connect cluster that lost their position at once are somebody else's trouble.
    pub mass_failure: usize,
    /// The same as a share of the cluster's connectors, where there are at least three.
    pub mass_failure_ratio: f64,
    /// For how long an approval counts.
    pub approval_expires: Duration,
    /// May documents be written into source collections?
    pub allow_source_writes: bool,
    /// `heartbeat.interval.ms` that salvage sets while the connector is stopped, where it has none.
    pub set_heartbeat: Option<Duration>,
    /// For how long a connector must be well before a recovery counts.
    pub stable_for: Duration,
    /// The first documented cure.
    pub tolerate: TolerateSettings,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            mode: Mode::Plan,
            policies: Vec::new(),
            cooldown: Duration::from_secs(3600),
            attempts: 3,
            mass_failure: 10,
            mass_failure_ratio: 0.4,
            approval_expires: Duration::from_secs(3600),
            allow_source_writes: false,
            set_heartbeat: None,
            stable_for: Duration::from_secs(10),
            tolerate: TolerateSettings::default(),
        }
    }
}

/// What holds for one connector in one kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What may be done.
    pub mode: Mode,
    /// How, where somebody said so of this trouble.
    pub strategy: Option<Strategy>,
}

impl Policies {
    /// What holds for this connector in this trouble.
    #[must_use]
    pub fn rule(&self, id: &ConnectorId, trigger: Trigger) -> Rule {
        let policy = self.policy_for(id, trigger);
        Rule {
            mode: policy.and_then(|policy| policy.mode).unwrap_or(self.mode),
            strategy: policy.and_then(|policy| policy.strategy).filter(|how| suited(trigger).contains(how)),
        }
    }

    /// The policy that counts for this connector in this trouble.
    #[must_use]
    pub fn policy_for(&self, id: &ConnectorId, trigger: Trigger) -> Option<&Policy> {
        let fits = |policy: &&Policy| {
            policy.glob_for(id).is_some() && (policy.on.is_empty() || policy.on.contains(&trigger))
        };
        self.policies.iter().find(fits)
    }

    /// Seconds of headroom below which something is to be done about this connector, where somebody said so.
    #[must_use]
    pub fn threshold_seconds(&self, id: &ConnectorId) -> Option<i64> {
        i64::try_from(self.threshold_for(id)?.threshold?.as_secs()).ok()
    }

    /// The policy that says so.
    #[must_use]
    pub fn threshold_for(&self, id: &ConnectorId) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.threshold.is_some() && policy.glob_for(id).is_some())
    }

    /// The most that any connector may have done to it.
    #[must_use]
    pub fn greatest_mode(&self) -> Mode {
        self.policies.iter().filter_map(|policy| policy.mode).fold(self.mode, Mode::max)
    }
}

impl Policy {
    /// The first of its globs that names this connector.
    #[must_use]
    pub fn glob_for(&self, id: &ConnectorId) -> Option<&WildMatch> {
        let full = id.to_string();
        self.connectors.iter().find(|glob| glob.matches(&id.connector) || glob.matches(&full))
    }
}
