//! What people let recovery do, and stop it from doing: by the control socket, by HTTP, or by a command that acts itself.

mod api;
mod passwd;
mod reload;
mod socket;
mod who;

pub(crate) use api::routes;
pub use api::{Done, Problem, Shown};
pub(crate) use reload::routes as reload_routes;
pub use socket::{FILE, Socket, SocketError};
pub use who::Peer;
pub(crate) use who::Who;

use crate::publish::recovery::{Overview, Told, told};
use crate::recovery::{Desk, Matter, Refused, Standing};
use resumeguard_core::domain::ConnectorId;
use resumeguard_core::recovery::{Actor, AttemptId, PlanId, Strategy};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Characters that a reason may have.
pub const REASON_LENGTH: usize = 500;

/// What somebody wants, as it is sent. Each verb needs `reason`, and the field of what it is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Why. It is written into the journal.
    #[serde(default)]
    pub reason: String,
    /// `approve`, `discard`: which plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// `acknowledge`, `run`: CONNECTOR or CONNECT_CLUSTER/CONNECTOR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// `run`: how; what policy chooses where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// `restore`: which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// `approve`, `run`, where many have lost their position at once: how many its blocker `mass_failure` tells of. Whoever has not seen
    /// so many does not decide on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass_failure: Option<usize>,
    /// All but `freeze`: the mark of what was shown. Where it has become another one, nothing is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// What can be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Lets a plan be carried out.
    Approve,
    /// Keeps a plan from being carried out.
    Discard,
    /// What failed has been looked at.
    Acknowledge,
    /// Carries a plan out now.
    Run,
    /// Puts back what an attempt has replaced.
    Restore,
    /// Stops all recovery.
    Freeze,
    /// Lets it go on.
    Unfreeze,
}

impl Verb {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::Approve,
        Self::Discard,
        Self::Acknowledge,
        Self::Run,
        Self::Restore,
        Self::Freeze,
        Self::Unfreeze,
    ];

    /// The word of the address, and of the command.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Discard => "discard",
            Self::Acknowledge => "acknowledge",
            Self::Run => "run",
            Self::Restore => "restore",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
        }
    }

    /// Where it is asked for.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Approve => "/api/v1/recovery/approve",
            Self::Discard => "/api/v1/recovery/discard",
            Self::Acknowledge => "/api/v1/recovery/acknowledge",
            Self::Run => "/api/v1/recovery/run",
            Self::Restore => "/api/v1/recovery/restore",
            Self::Freeze => "/api/v1/recovery/freeze",
            Self::Unfreeze => "/api/v1/recovery/unfreeze",
        }
    }

    /// The field that says what it is about.
    pub(crate) fn about(self) -> Option<&'static str> {
        match self {
            Self::Approve | Self::Discard => Some("plan"),
            Self::Acknowledge | Self::Run => Some("connector"),
            Self::Restore => Some("attempt"),
            Self::Freeze | Self::Unfreeze => None,
        }
    }

    /// What has to be sent.
    pub(crate) fn schema(self) -> serde_json::Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let reason = json!({
            "type": "string", "minLength": 1, "maxLength": REASON_LENGTH, "description": "Why; it is written into the journal.",
            "pattern": "^[^\\x00-\\x20\\x7f-\\xa0]([^\\x00-\\x1f\\x7f-\\x9f]*[^\\x00-\\x20\\x7f-\\xa0])?$",
        });
        let strategies: Vec<Option<&str>> =
            Strategy::ALL.map(Strategy::code).into_iter().map(Some).chain([None]).collect();
        let about = self.about();
        let required: Vec<&str> = std::iter::once("reason").chain(about).collect();
        let mut schema = json!({ "type": "object", "additionalProperties": false, "required": required, "properties": { "reason": reason } });
        if let Some(about) = about {
            schema["properties"][about] = text;
        }
        if self != Self::Freeze {
            schema["properties"]["seen"] = json!({ "type": ["string", "null"], "description": "The mark of what was shown (`GET` of this address has it): where something has changed since, nothing is done. Left out or null: whatever stands now." });
        }
        if self == Self::Run {
            schema["properties"]["strategy"] = json!({ "type": ["string", "null"], "enum": strategies, "description": "How; what policy chooses where it is left out." });
        }
        if matches!(self, Self::Approve | Self::Run) {
            schema["properties"]["mass_failure"] = json!({ "type": ["integer", "null"], "minimum": 0, "description": "Where the plan's blocker mass_failure tells of positions lost at once: of so many you know." });
        }
        schema
    }

    /// What it does, in a sentence.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Approve => "Lets a plan be carried out.",
            Self::Discard => "Keeps a plan from being carried out.",
            Self::Acknowledge => "What failed was looked at: it may be tried again.",
            Self::Run => "Carries a plan out now.",
            Self::Restore => "Puts back what an attempt has replaced.",
            Self::Freeze => "Stops all recovery before its next step.",
            Self::Unfreeze => "Lets recovery go on.",
        }
    }
}

/// Does what somebody wants.
///
/// # Errors
/// Where something that it needs is missing, or the desk refuses it.
pub async fn carry_out(desk: &Desk, verb: Verb, wanted: Wanted, by: Actor) -> Result<Done, Problem> {
    let reason = reason(&wanted.reason)?;
    let (plan_id, about, attempt) = (&wanted.plan, &wanted.connector, &wanted.attempt);
    tracing::info!(verb = verb.code(), %by, reason, plan = plan_id, connector = about, attempt, "a person decides on recovery");
    let mut done = Done { frozen: None, attempt: None };
    let seen = wanted.seen.as_deref();
    if let Some(matter) = matter(desk, verb, &wanted)?.filter(|_| seen.is_some()) {
        // Nothing is waited for between this look and what follows.
        desk.standing(&matter)?.still(seen)?;
    }
    match verb {
        Verb::Approve => desk.approve(&plan(&wanted)?, by, reason, wanted.mass_failure).await?,
        Verb::Discard => desk.discard(&plan(&wanted)?, by, reason).await?,
        Verb::Acknowledge => desk.acknowledge(&connector(desk, &wanted)?, by, reason).await?,
        Verb::Run => {
            let (connector, strategy) = (connector(desk, &wanted)?, strategy(&wanted)?);
            done.attempt =
                Some(desk.run(&connector, strategy, by, reason, wanted.mass_failure).await?.to_string());
        }
        Verb::Restore => {
            let attempt = AttemptId(named(wanted.attempt.as_ref(), "attempt")?);
            done.attempt = Some(desk.restore_as_seen(&attempt, by, reason, seen).await?.to_string());
        }
        Verb::Freeze => desk.freeze(by, reason).await?,
        Verb::Unfreeze => desk.unfreeze(by, reason).await?,
    }
    done.frozen = desk.frozen();
    Ok(done)
}

/// What a decision would be about; `None` for what is looked at elsewhere (`restore`) and for what is never too late (`freeze`).
fn matter(desk: &Desk, verb: Verb, wanted: &Wanted) -> Result<Option<Matter>, Problem> {
    Ok(Some(match verb {
        Verb::Approve | Verb::Discard => Matter::Plan(plan(wanted)?),
        Verb::Acknowledge => Matter::Failures(connector(desk, wanted)?),
        Verb::Run => Matter::Run(connector(desk, wanted)?, strategy(wanted)?),
        Verb::Unfreeze => Matter::Freeze,
        Verb::Restore | Verb::Freeze => return Ok(None),
    }))
}

/// How it stands with what somebody may decide on, and the mark of it. `None` for `freeze`, which is never refused for what has changed.
///
/// # Errors
/// Where there is no such thing, or it cannot be looked at.
pub async fn shown(desk: &Desk, verb: Verb, wanted: &Wanted) -> Result<Option<Standing>, Problem> {
    if verb == Verb::Restore {
        let attempt = AttemptId(named(wanted.attempt.as_ref(), "attempt")?);
        return Ok(Some(desk.standing_to_restore(&attempt).await?));
    }
    Ok(matter(desk, verb, wanted)?.map(|matter| desk.standing(&matter)).transpose()?)
}

/// The user of this process, as the control socket would name them.
#[must_use]
pub fn myself() -> Actor {
    who::person(rustix::process::getuid().as_raw())
}

/// What recovery is at.
#[must_use]
pub fn overview(desk: &Desk) -> Overview {
    desk.show(|seen| seen.overview())
}

/// One attempt's story.
///
/// # Errors
/// Where the journal has no such attempt.
pub fn story(desk: &Desk, attempt: &str) -> Result<Told, Problem> {
    let id = AttemptId(attempt.to_owned());
    Ok(told(&desk.ledger(), &id).ok_or(Refused::NoSuchAttempt(id))?)
}

/// It is shown on terminals and pages, and kept for ever.
fn reason(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::bad("reason: must say why"));
    }
    if text.chars().count() > REASON_LENGTH || text.chars().any(char::is_control) {
        return Err(Problem::bad(&format!("reason: one line of at most {REASON_LENGTH} characters")));
    }
    Ok(text.to_owned())
}

fn named(field: Option<&String>, name: &str) -> Result<String, Problem> {
    let given = field.filter(|text| !text.is_empty());
    given.cloned().ok_or_else(|| Problem::bad(&format!("{name}: is missing")))
}

fn plan(wanted: &Wanted) -> Result<PlanId, Problem> {
    named(wanted.plan.as_ref(), "plan").map(PlanId)
}

fn strategy(wanted: &Wanted) -> Result<Option<Strategy>, Problem> {
    let Some(word) = &wanted.strategy else { return Ok(None) };
    let known = Strategy::ALL.map(Strategy::code).join(", ");
    let strategy = Strategy::parse(word);
    strategy.map(Some).ok_or_else(|| Problem::bad(&format!("strategy: `{word}` is none of {known}")))
}

/// By its name alone where that is enough: among those with a plan, and those that the journal knows.
fn connector(desk: &Desk, wanted: &Wanted) -> Result<ConnectorId, Problem> {
    let text = named(wanted.connector.as_ref(), "connector")?;
    let (plans, ledger) = (desk.plans(), desk.ledger());
    let known = plans.iter().map(|planned| &planned.plan.connector);
    let known = known.chain(ledger.attempts.iter().map(|attempt| &attempt.plan.connector));
    let found: BTreeSet<&ConnectorId> =
        known.filter(|id| id.connector == text || id.to_string() == text).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => Err(Problem::bad(&format!(
            "connector: several are called {text}; write CONNECT_CLUSTER/CONNECTOR"
        ))),
        (None, _) => Err(Problem::unknown(&format!(
            "no plan and no attempt is for a connector called {text}; see resumeguard recovery plan"
        ))),
    }
}
