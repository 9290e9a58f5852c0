//! Limits of judgement, and what is muted.

use super::ConfigError;
use super::load::within;
use super::raw::{RawMute, RawThresholds};
use resumeguard_core::assess::{Levels, Mute, Override, RULES, Thresholds};
use std::collections::BTreeMap;
use std::time::Duration;
use wildmatch::WildMatch;

/// The longest span that a limit may name.
const A_YEAR: u64 = 366 * 86_400;

pub(super) fn thresholds(
    raw: &RawThresholds,
    mutes: &BTreeMap<String, RawMute>,
    offset_flush: Duration,
) -> Result<Thresholds, ConfigError> {
    let needed = |duration: Duration| (!duration.is_zero()).then_some(duration);
    let levels = Levels {
        at_risk_seconds: raw.at_risk.0.as_secs_f64(),
        at_risk_ratio: raw.at_risk_ratio,
        critical_seconds: raw.critical.0.as_secs_f64(),
        critical_ratio: raw.critical_ratio,
        at_risk_budget: raw.at_risk_budget.0.as_secs_f64(),
        critical_budget: raw.critical_budget.0.as_secs_f64(),
        window_needed: needed(raw.window_needed.0),
    };
    check_levels("thresholds", levels)?;
    if !(0.0..=1.0).contains(&raw.hysteresis) {
        return Err(ConfigError::at("thresholds.hysteresis", "must be from 0 to 1"));
    }
    let mut overrides = Vec::new();
    for (name, special) in &raw.overrides {
        let special_levels = Levels {
            at_risk_seconds: special.at_risk.map_or(levels.at_risk_seconds, |d| d.0.as_secs_f64()),
            at_risk_ratio: special.at_risk_ratio.unwrap_or(levels.at_risk_ratio),
            critical_seconds: special.critical.map_or(levels.critical_seconds, |d| d.0.as_secs_f64()),
            critical_ratio: special.critical_ratio.unwrap_or(levels.critical_ratio),
            at_risk_budget: special.at_risk_budget.map_or(levels.at_risk_budget, |d| d.0.as_secs_f64()),
            critical_budget: special.critical_budget.map_or(levels.critical_budget, |d| d.0.as_secs_f64()),
            window_needed: special.window_needed.map_or(levels.window_needed, |d| needed(d.0)),
        };
        check_levels(&format!("thresholds.overrides.{name}"), special_levels)?;
        overrides.extend(special.connectors.iter().map(|glob| Override {
            name: name.clone(),
            glob: WildMatch::new(glob),
            levels: special_levels,
        }));
    }
    Ok(Thresholds {
        levels,
        overrides,
        hysteresis: raw.hysteresis,
        offset_flush,
        loss_shown_for: within("thresholds.loss_shown_for", raw.loss_shown_for.0, 60, A_YEAR)?,
        mutes: mutes.iter().map(|(name, raw)| mute(name, raw)).collect::<Result<_, _>>()?,
    })
}

fn check_levels(key: &str, levels: Levels) -> Result<(), ConfigError> {
    let ratios = [levels.at_risk_ratio, levels.critical_ratio];
    if !ratios.iter().all(|ratio| (0.0..=1.0).contains(ratio)) {
        return Err(ConfigError::at(key, "ratios must be from 0 to 1"));
    }
    let budgets = levels.at_risk_budget > 0.0 && levels.critical_budget > levels.at_risk_budget;
    let seconds = levels.critical_seconds > levels.at_risk_seconds;
    if seconds || levels.critical_ratio > levels.at_risk_ratio || budgets {
        return Err(ConfigError::at(key, "critical must not be larger than at_risk"));
    }
    Ok(())
}

/// A mute that says neither why nor until when would outlive everybody who knows.
fn mute(name: &str, raw: &RawMute) -> Result<Mute, ConfigError> {
    let key = |field: &str| format!("mutes.{name}.{field}");
    if raw.connectors.is_empty() {
        return Err(ConfigError::at(&key("connectors"), "names nobody; write for example [\"billing-*\"]"));
    }
    if raw.reason.trim().is_empty() {
        return Err(ConfigError::at(&key("reason"), "must say why"));
    }
    if let Some(rule) = raw.rules.iter().find(|rule| RULES.iter().all(|known| known.id != **rule)) {
        return Err(ConfigError::at(
            &key("rules"),
            format!("`{rule}` is no rule; write for example [\"RG007\"]"),
        ));
    }
    let until: jiff::Timestamp = raw.until.parse().map_err(|_| {
        let problem = format!("`{}` is no moment; write for example \"2027-01-31T18:00:00Z\"", raw.until);
        ConfigError::at(&key("until"), problem)
    })?;
    Ok(Mute {
        connectors: raw.connectors.iter().map(|glob| WildMatch::new(glob)).collect(),
        rules: raw.rules.clone(),
        reason: raw.reason.clone(),
        until: until.as_second(),
    })
}
