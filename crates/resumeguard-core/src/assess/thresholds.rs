//! When headroom is too small (J8).

use crate::domain::{ConnectorId, Finding, Now, Severity, Verdict};
use std::time::Duration;
use wildmatch::WildMatch;

/// Limits of headroom; the smaller of the time and the share of the window counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// `at_risk` below this many seconds.
    pub at_risk_seconds: f64,
    /// `at_risk` below this share of the window.
    pub at_risk_ratio: f64,
    /// `critical` below this many seconds.
    pub critical_seconds: f64,
    /// `critical` below this share of the window.
    pub critical_ratio: f64,
    /// `at_risk` below an outage budget of this many seconds, however much headroom there is; 0 asks for nothing.
    pub at_risk_budget: f64,
    /// `critical` below an outage budget of this many seconds; 0 asks for nothing.
    pub critical_budget: f64,
    /// RG012 where an oplog holds less than this; `None` where nothing is asked for.
    pub window_needed: Option<Duration>,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            at_risk_seconds: 12.0 * 3600.0,
            at_risk_ratio: 0.5,
            critical_seconds: 2.0 * 3600.0,
            critical_ratio: 0.2,
            at_risk_budget: 0.0,
            critical_budget: 0.0,
            window_needed: None,
        }
    }
}

/// `[thresholds.overrides.NAME]`: other levels for some connectors.
#[derive(Debug, Clone)]
pub struct Override {
    /// Its name in the configuration.
    pub name: String,
    /// One of its globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    pub glob: WildMatch,
    /// What counts for these.
    pub levels: Levels,
}

/// All limits of judgement.
#[derive(Debug, Clone)]
pub struct Thresholds {
    /// For connectors that no override names.
    pub levels: Levels,
    /// One a glob; the first that matches counts.
    pub overrides: Vec<Override>,
    /// A better verdict needs this share more than the limit that was broken.
    pub hysteresis: f64,
    /// `offset.flush.interval.ms` of the workers: how long a running connector's newer token may take to be stored (J4).
    pub offset_flush: Duration,
    /// For how long a loss, or another thing that happens once, stays a finding; time of the deployment's own clock.
    pub loss_shown_for: Duration,
    /// What somebody knows of already.
    pub mutes: Vec<Mute>,
}

/// Silences findings of some connectors until a moment. Verdicts are never silenced.
#[derive(Debug, Clone)]
pub struct Mute {
    /// Globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    pub connectors: Vec<WildMatch>,
    /// Ids of rules, such as `RG007`; all of them where it is empty.
    pub rules: Vec<String>,
    /// Why, for those who wonder.
    pub reason: String,
    /// Seconds since 1970 at which it ends.
    pub until: i64,
}

impl Mute {
    fn covers(&self, id: &ConnectorId, rule: &str, now: Now) -> bool {
        let full = id.to_string();
        now.unix_seconds < self.until
            && (self.rules.is_empty() || self.rules.iter().any(|muted| muted == rule))
            && self.connectors.iter().any(|glob| glob.matches(&id.connector) || glob.matches(&full))
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            overrides: Vec::new(),
            hysteresis: 0.1,
            offset_flush: Duration::from_secs(60),
            loss_shown_for: Duration::from_secs(24 * 3600),
            mutes: Vec::new(),
        }
    }
}

impl Thresholds {
    /// The levels that count for one connector.
    #[must_use]
    pub fn levels_for(&self, id: &ConnectorId) -> Levels {
        self.override_for(id).map_or(self.levels, |special| special.levels)
    }

    /// The override that counts for one connector.
    #[must_use]
    pub fn override_for(&self, id: &ConnectorId) -> Option<&Override> {
        let full = id.to_string();
        self.overrides
            .iter()
            .find(|special| special.glob.matches(&id.connector) || special.glob.matches(&full))
    }

    /// The window that a connector's oplog should have.
    #[must_use]
    pub fn window_needed(&self, id: &ConnectorId) -> Option<Duration> {
        self.levels_for(id).window_needed
    }

    /// The finding, lowered to `info` where somebody has muted it.
    #[must_use]
    pub fn muted(&self, id: &ConnectorId, finding: Finding, now: Now) -> Finding {
        match self.mutes.iter().find(|mute| mute.covers(id, finding.rule, now)) {
            Some(mute) => Finding { severity: Severity::Info, muted: Some(mute.reason.clone()), ..finding },
            None => finding,
        }
    }

    /// The verdict for a position inside the window: `margin` seconds of `capacity` seconds are left before it falls out.
    #[must_use]
    pub fn verdict(&self, id: &ConnectorId, margin: f64, capacity: f64, before: Option<Verdict>) -> Verdict {
        let levels = self.levels_for(id);
        let limit = |seconds: f64, ratio: f64, was_below: bool| {
            let limit = seconds.min(ratio * capacity);
            // Never above the capacity: a full margin is always good enough.
            if was_below { (limit * (1.0 + self.hysteresis)).min(capacity) } else { limit }
        };
        let was_critical = matches!(before, Some(Verdict::Critical | Verdict::Lost));
        let was_at_risk = was_critical || before == Some(Verdict::AtRisk);
        if capacity <= 0.0 || margin < limit(levels.critical_seconds, levels.critical_ratio, was_critical) {
            Verdict::Critical
        } else if margin < limit(levels.at_risk_seconds, levels.at_risk_ratio, was_at_risk) {
            Verdict::AtRisk
        } else {
            Verdict::Safe
        }
    }

    /// Whether anything is asked of the outage budget.
    #[must_use]
    pub fn asks_for_a_budget(&self, id: &ConnectorId) -> bool {
        let levels = self.levels_for(id);
        levels.at_risk_budget.max(levels.critical_budget) > 0.0
    }

    /// The verdict by the outage budget alone, seconds. It makes the other one worse, never better.
    #[must_use]
    pub fn by_budget(&self, id: &ConnectorId, budget: f64, before: Option<Verdict>) -> Verdict {
        let levels = self.levels_for(id);
        let was_critical = matches!(before, Some(Verdict::Critical | Verdict::Lost));
        let was_at_risk = was_critical || before == Some(Verdict::AtRisk);
        let above = |limit: f64, was_below: bool| {
            budget >= if was_below { limit * (1.0 + self.hysteresis) } else { limit }
        };
        if !above(levels.critical_budget, was_critical) {
            Verdict::Critical
        } else if !above(levels.at_risk_budget, was_at_risk) {
            Verdict::AtRisk
        } else {
            Verdict::Safe
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3600.0;

    #[track_caller]
    fn check(margin: f64, capacity: f64, before: Option<Verdict>, expected: Verdict) {
        let id = ConnectorId::new("c", "orders");
        assert_eq!(Thresholds::default().verdict(&id, margin, capacity, before), expected);
    }

    #[test]
    fn the_smaller_of_time_and_share_counts() {
        check(12.0 * HOUR, 100.0 * HOUR, None, Verdict::Safe);
        check(11.9 * HOUR, 100.0 * HOUR, None, Verdict::AtRisk);
        check(1.9 * HOUR, 100.0 * HOUR, None, Verdict::Critical);
        check(5.0 * HOUR, 10.0 * HOUR, None, Verdict::Safe);
        check(4.9 * HOUR, 10.0 * HOUR, None, Verdict::AtRisk);
        check(1.9 * HOUR, 10.0 * HOUR, None, Verdict::Critical);
        check(0.0, 0.0, None, Verdict::Critical);
    }

    #[test]
    fn a_better_verdict_needs_a_tenth_more() {
        check(12.5 * HOUR, 100.0 * HOUR, Some(Verdict::AtRisk), Verdict::AtRisk);
        check(13.3 * HOUR, 100.0 * HOUR, Some(Verdict::AtRisk), Verdict::Safe);
        check(2.1 * HOUR, 100.0 * HOUR, Some(Verdict::Critical), Verdict::Critical);
        check(2.3 * HOUR, 100.0 * HOUR, Some(Verdict::Critical), Verdict::AtRisk);
        check(12.5 * HOUR, 100.0 * HOUR, Some(Verdict::Safe), Verdict::Safe);
    }

    #[test]
    fn a_budget_counts_only_where_it_is_asked_for() {
        let id = ConnectorId::new("c", "orders");
        assert_eq!(Thresholds::default().by_budget(&id, 0.0, Some(Verdict::Critical)), Verdict::Safe);
        let levels = Levels { at_risk_budget: 4.0 * HOUR, critical_budget: HOUR, ..Levels::default() };
        let thresholds = Thresholds { levels, ..Thresholds::default() };
        let judge = |hours: f64, before| thresholds.by_budget(&id, hours * HOUR, before);
        assert_eq!(
            [0.9, 1.0, 3.9, 4.0].map(|hours| judge(hours, None)),
            [Verdict::Critical, Verdict::AtRisk, Verdict::AtRisk, Verdict::Safe]
        );
        assert_eq!(judge(1.05, Some(Verdict::Critical)), Verdict::Critical);
        assert_eq!(judge(1.15, Some(Verdict::Critical)), Verdict::AtRisk);
        assert_eq!(judge(4.2, Some(Verdict::AtRisk)), Verdict::AtRisk);
        assert_eq!(judge(4.5, Some(Verdict::AtRisk)), Verdict::Safe);
    }

    #[test]
    fn a_full_margin_ends_every_alarm() {
        let levels = Levels { at_risk_ratio: 1.0, ..Levels::default() };
        let thresholds = Thresholds { levels, ..Thresholds::default() };
        let id = ConnectorId::new("c", "orders");
        assert_eq!(thresholds.verdict(&id, HOUR, HOUR, Some(Verdict::AtRisk)), Verdict::Safe);
    }

    #[test]
    fn overrides_name_a_connector_or_a_cluster() {
        let strict = Levels { at_risk_seconds: 1e9, at_risk_ratio: 1.0, ..Levels::default() };
        let special = Override { name: "eu".into(), glob: WildMatch::new("eu/*"), levels: strict };
        let thresholds = Thresholds { overrides: vec![special], ..Thresholds::default() };
        assert_eq!(thresholds.levels_for(&ConnectorId::new("eu", "orders")), strict);
        assert_eq!(thresholds.levels_for(&ConnectorId::new("us", "orders")), Levels::default());
    }
}
