//! `[recovery]`: what may be done about a connector in trouble, by whom, and what keeps it from being done.

use super::ByteSize;
use super::load::within;
use super::raw::{HumanDuration, list};
use super::{ConfigError, History, Hooks, Recovery};
use crate::journal::Bounds;
use resumeguard_core::recovery::{
    ManagedBy, Mode, Policies, Policy, Strategy, TolerateSettings, Trigger, suited,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

const DAY: u64 = 86_400;

/// `[recovery]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRecovery {
    /// `off`, `plan`, `approve` or `auto`.
    pub mode: String,
    /// Where journal, control socket and freeze file are; absent or empty: `history.directory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Between two attempts at one connector.
    pub cooldown: HumanDuration,
    /// Failed attempts at one connector, before a person has to acknowledge.
    pub attempts: u32,
    /// More connectors of one Connect cluster that lost their position at once are somebody else's trouble.
    pub mass_failure: usize,
    /// The same as a share of the cluster's connectors.
    pub mass_failure_ratio: f64,
    /// For how long an approval counts.
    pub approval_expires: HumanDuration,
    /// May documents be written into source collections?
    pub allow_source_writes: bool,
    /// The heartbeat that salvage sets; 0 sets none.
    pub set_heartbeat: HumanDuration,
    /// For how long a connector must be well before a recovery counts.
    pub stable_for: HumanDuration,
    /// All recovery stands still.
    pub freeze: bool,
    /// Files beside `directory`'s `freeze` that freeze recovery while they exist.
    #[serde(deserialize_with = "list")]
    pub freeze_files: Vec<String>,
    /// For how long attempts stay in the journal that nothing depends on.
    pub journal_keep: HumanDuration,
    /// Size of the journal beyond which they go earlier.
    pub journal_max_size: ByteSize,
    /// Fields of the marker document, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// `[recovery.hooks]`.
    pub hooks: RawHooks,
    /// `[recovery.policies.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, RawPolicy>,
}

/// `[recovery.policies.NAME]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// Globs on `CONNECTOR` or `CONNECT_CLUSTER/CONNECTOR`.
    #[serde(deserialize_with = "list")]
    pub connectors: Vec<String>,
    /// Which trouble; all of it where it is left out.
    #[serde(default, deserialize_with = "list")]
    pub on: Vec<String>,
    /// As in `[recovery]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How; what loses least where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Less headroom than this is trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<HumanDuration>,
}

/// `[recovery.hooks]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHooks {
    /// Program and arguments; one that fails keeps the attempt from being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Argv>,
    /// Program and arguments, once an attempt has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Argv>,
    /// How long one may take.
    pub timeout: HumanDuration,
}

/// A program and its arguments; one text with commas where the environment has to write it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Argv(#[serde(deserialize_with = "list")] pub Vec<String>);

impl Default for RawRecovery {
    fn default() -> Self {
        let core = Policies::default();
        Self {
            mode: core.mode.code().to_owned(),
            directory: None,
            cooldown: HumanDuration(core.cooldown),
            attempts: core.attempts,
            mass_failure: core.mass_failure,
            mass_failure_ratio: core.mass_failure_ratio,
            approval_expires: HumanDuration(core.approval_expires),
            allow_source_writes: core.allow_source_writes,
            set_heartbeat: HumanDuration(core.set_heartbeat.unwrap_or_default()),
            stable_for: HumanDuration(core.stable_for),
            freeze: false,
            freeze_files: Vec::new(),
            journal_keep: HumanDuration(Bounds::default().keep),
            journal_max_size: ByteSize(Bounds::default().max_size),
            marker: None,
            hooks: RawHooks::default(),
            policies: BTreeMap::new(),
        }
    }
}

impl Default for RawHooks {
    fn default() -> Self {
        Self { before: None, after: None, timeout: HumanDuration::seconds(30) }
    }
}

/// Validates, and refuses what would do more, or less, than whoever wrote it can have meant.
pub(super) fn recovery(raw: &RawRecovery, history: Option<&History>) -> Result<Recovery, ConfigError> {
    let named = raw.directory.as_deref().filter(|directory| !directory.is_empty()).map(PathBuf::from);
    let directory = named.or_else(|| history.map(|history| history.directory.clone()));
    let policies = policies(raw)?;
    if policies.greatest_mode() >= Mode::Approve && directory.is_none() {
        let problem = "nothing is done without a journal; set recovery.directory (or history.directory)";
        return Err(ConfigError::at("recovery.mode", problem));
    }
    Ok(Recovery {
        freeze_files: freeze_files(&raw.freeze_files, directory.as_deref())?,
        directory,
        policies,
        freeze: raw.freeze,
        hooks: hooks(&raw.hooks)?,
        journal: bounds(raw)?,
    })
}

/// Waits that the journal has to know of last a month at the most.
fn bounds(raw: &RawRecovery) -> Result<Bounds, ConfigError> {
    const LEAST: ByteSize = ByteSize(1 << 20);
    let keep = within("recovery.journal_keep", raw.journal_keep.0, 31 * DAY, 3_650 * DAY)?;
    if raw.journal_max_size < LEAST {
        let problem = format!("{} is less than {LEAST}, which one attempt may take", raw.journal_max_size);
        return Err(ConfigError::at("recovery.journal_max_size", problem));
    }
    Ok(Bounds { keep, max_size: raw.journal_max_size.0 })
}

fn policies(raw: &RawRecovery) -> Result<Policies, ConfigError> {
    if raw.attempts == 0 {
        return Err(ConfigError::at("recovery.attempts", "must be at least 1"));
    }
    if raw.mass_failure == 0 {
        return Err(ConfigError::at("recovery.mass_failure", "must be at least 1"));
    }
    if !(0.0..=1.0).contains(&raw.mass_failure_ratio) {
        return Err(ConfigError::at("recovery.mass_failure_ratio", "must be from 0 to 1"));
    }
    let heartbeat = Some(raw.set_heartbeat.0).filter(|every| !every.is_zero());
    let all = Policies {
        mode: mode("recovery.mode", &raw.mode)?,
        policies: raw.policies.iter().map(|(name, raw)| policy(name, raw)).collect::<Result<_, _>>()?,
        cooldown: within("recovery.cooldown", raw.cooldown.0, 1, 30 * DAY)?,
        attempts: raw.attempts,
        mass_failure: raw.mass_failure,
        mass_failure_ratio: raw.mass_failure_ratio,
        approval_expires: within("recovery.approval_expires", raw.approval_expires.0, 10, 7 * DAY)?,
        allow_source_writes: raw.allow_source_writes,
        set_heartbeat: heartbeat.map(|every| within("recovery.set_heartbeat", every, 1, DAY)).transpose()?,
        stable_for: within("recovery.stable_for", raw.stable_for.0, 1, 3600)?,
        tolerate: TolerateSettings { marker: marker(raw.marker.as_deref())? },
    };
    all.policies.iter().try_for_each(|policy| can_ever_act(policy, &all))?;
    Ok(all)
}

fn policy(name: &str, raw: &RawPolicy) -> Result<Policy, ConfigError> {
    let key = |field: &str| format!("recovery.policies.{name}.{field}");
    if raw.connectors.is_empty() {
        return Err(ConfigError::at(&key("connectors"), "names nobody; write for example [\"billing-*\"]"));
    }
    if raw.mode.is_none() && raw.strategy.is_none() && raw.threshold.is_none() {
        let key = format!("recovery.policies.{name}");
        return Err(ConfigError::at(&key, "changes nothing; set mode, strategy or threshold"));
    }
    let on = raw.on.iter().map(|word| trigger(&key("on"), word)).collect::<Result<Vec<_>, _>>()?;
    let threshold = raw.threshold.map(|span| within(&key("threshold"), span.0, 1, 366 * DAY)).transpose()?;
    match (threshold, on.contains(&Trigger::LowHeadroom)) {
        (Some(_), false) if !on.is_empty() => {
            let problem = "is about low_headroom, which `on` leaves out; add it there";
            Err(ConfigError::at(&key("threshold"), problem))
        }
        (None, true) => Err(ConfigError::at(&key("on"), "low_headroom needs threshold, such as \"4h\"")),
        _ => Ok(Policy {
            name: name.to_owned(),
            connectors: raw.connectors.iter().map(|glob| WildMatch::new(glob)).collect(),
            on,
            mode: raw.mode.as_deref().map(|word| mode(&key("mode"), word)).transpose()?,
            strategy: raw.strategy.as_deref().map(|word| strategy(&key("strategy"), word)).transpose()?,
            threshold,
        }),
    }
}

/// A policy that is written to act and never would leaves its author with a wrong belief.
fn can_ever_act(policy: &Policy, all: &Policies) -> Result<(), ConfigError> {
    let key = |field: &str| format!("recovery.policies.{}.{field}", policy.name);
    let mode = policy.mode.unwrap_or(all.mode);
    if mode == Mode::Auto && policy.on == [Trigger::LowHeadroom] {
        let problem =
            "is auto, and nothing is ever done about low_headroom without a person; write mode = \"approve\"";
        return Err(ConfigError::at(&key("mode"), problem));
    }
    let Some(strategy) = policy.strategy else { return Ok(()) };
    let code = strategy.code();
    if !policy.on.is_empty() && !policy.on.iter().any(|trigger| suited(*trigger).contains(&strategy)) {
        let made_for: Vec<&str> = Trigger::ALL
            .iter()
            .filter(|known| suited(**known).contains(&strategy))
            .map(|t| t.code())
            .collect();
        let problem = format!("{code} is made for {}, and `on` names none of these", made_for.join(", "));
        return Err(ConfigError::at(&key("strategy"), problem));
    }
    if mode == Mode::Auto && !strategy.may_be_automatic() {
        let problem =
            format!("{code} is never done without a person; write mode = \"approve\" for this policy");
        return Err(ConfigError::at(&key("strategy"), problem));
    }
    let writes = matches!(strategy, Strategy::Nudge | Strategy::TolerateErrors);
    if mode >= Mode::Approve && writes && !all.allow_source_writes {
        let problem = format!(
            "{code} writes into a source collection; set recovery.allow_source_writes = true as well"
        );
        return Err(ConfigError::at(&key("strategy"), problem));
    }
    Ok(())
}

fn mode(key: &str, word: &str) -> Result<Mode, ConfigError> {
    Mode::parse(word).ok_or_else(|| no_such(key, word, "mode", Mode::ALL.map(Mode::code).as_slice()))
}

fn strategy(key: &str, word: &str) -> Result<Strategy, ConfigError> {
    let all = Strategy::ALL.map(Strategy::code);
    Strategy::parse(word).ok_or_else(|| no_such(key, word, "strategy", &all))
}

fn trigger(key: &str, word: &str) -> Result<Trigger, ConfigError> {
    Trigger::parse(word).ok_or_else(|| no_such(key, word, "trouble", &Trigger::ALL.map(Trigger::code)))
}

/// `connect.NAME.managed_by`.
pub(super) fn managed_by(key: &str, word: &str) -> Result<ManagedBy, ConfigError> {
    let all = [ManagedBy::None, ManagedBy::Strimzi, ManagedBy::Gitops].map(ManagedBy::code);
    ManagedBy::parse(word)
        .ok_or_else(|| no_such(key, word, "word for who keeps connectors as they are", &all))
}

fn no_such(key: &str, word: &str, what: &str, all: &[&str]) -> ConfigError {
    ConfigError::at(key, format!("`{word}` is no {what}; write one of {}", all.join(", ")))
}

/// The document's `_id` is reserved: by it the marker is found and removed again.
fn marker(text: Option<&str>) -> Result<Option<serde_json::Value>, ConfigError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let bad = |problem: String| ConfigError::at("recovery.marker", problem);
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| bad(format!("no JSON ({error}); write for example '{{\"kind\": \"marker\"}}'")))?;
    match value.as_object() {
        None => Err(bad("must be a JSON object, such as '{\"kind\": \"marker\"}'".to_owned())),
        Some(fields) if fields.contains_key("_id") => {
            Err(bad("must not set _id: resumeguard finds the document again by its own".to_owned()))
        }
        Some(_) => Ok(Some(value)),
    }
}

fn freeze_files(named: &[String], directory: Option<&Path>) -> Result<Vec<PathBuf>, ConfigError> {
    let named = named.iter().map(|file| absolute("recovery.freeze_files", file).map(PathBuf::from));
    directory.map(|directory| Ok(directory.join("freeze"))).into_iter().chain(named).collect()
}

fn hooks(raw: &RawHooks) -> Result<Hooks, ConfigError> {
    let argv = |field: &str, raw: Option<&Argv>| -> Result<Option<Vec<String>>, ConfigError> {
        let Some(Argv(argv)) = raw else { return Ok(None) };
        let Some(program) = argv.first() else { return Ok(None) };
        absolute(&format!("recovery.hooks.{field}"), program)?;
        Ok(Some(argv.clone()))
    };
    Ok(Hooks {
        before: argv("before", raw.before.as_ref())?,
        after: argv("after", raw.after.as_ref())?,
        timeout: within("recovery.hooks.timeout", raw.timeout.0, 1, 600)?,
    })
}

/// What is relative depends on where the daemon was started.
fn absolute<'a>(key: &str, path: &'a str) -> Result<&'a str, ConfigError> {
    if Path::new(path).is_absolute() {
        return Ok(path);
    }
    Err(ConfigError::at(key, format!("`{path}` is no absolute path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_cores() {
        let ours = policies(&RawRecovery::default()).unwrap();
        assert_eq!(format!("{ours:?}"), format!("{:?}", Policies::default()));
    }
}
