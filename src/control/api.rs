//! `/api/v1/recovery…`, the same by the control socket and by HTTP.

use super::{Verb, Wanted, carry_out, shown, story, who::Who};
use crate::publish::http::{Asked, Cursor, Doc, Page, Paging, Routes, json, problem};
use crate::publish::recovery::{Overview, PlannedFor, Seen, Told, Tried};
use crate::recovery::{Desk, Refused};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resumeguard_core::recovery::{Planned, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// The attempt that was begun by it.
    pub attempt: Option<String>,
    /// Why recovery is frozen now.
    pub frozen: Option<String>,
}

/// What somebody may decide on, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// What it is and what follows, a sentence each.
    pub says: Vec<String>,
    /// The mark of it: sent along as `seen`, it has the decision refused where something has changed since.
    pub seen: String,
}

/// Why something was not done: RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP's.
    pub status: u16,
    /// One line.
    pub detail: String,
}

impl Problem {
    pub(super) fn bad(detail: &str) -> Self {
        Self { status: 400, detail: detail.to_owned() }
    }

    pub(super) fn unknown(detail: &str) -> Self {
        Self { status: 404, detail: detail.to_owned() }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::NoSuchPlan(_)
            | Refused::NoPlanFor(_)
            | Refused::NoPlanBy { .. }
            | Refused::NoSuchAttempt(_) => 404,
            Refused::Blocked(_) | Refused::Changed(_) => 409,
            Refused::Journal(_) | Refused::Unreadable { .. } => 503,
        };
        Self { status, detail: refused.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        problem(status, &self.detail)
    }
}

/// Every endpoint. Reading is for whoever has been let in; changes are for those who may change something.
pub(crate) fn routes() -> Routes {
    let routes = Routes::new()
        .get(
            "/api/v1/recovery",
            Doc::new("recovery", "Mode, freeze, the first plans by name and the newest attempts; `next_plans` and `next_attempts` lead to the others.")
                .returns::<Overview>()
                .limit("How many plans, and how many attempts."),
            begins,
        )
        .get(
            "/api/v1/recovery/plans",
            Doc::new("plans", "What would be done, a connector each, by name.")
                .returns_page_of::<PlannedFor>(),
            plans,
        )
        .get(
            "/api/v1/recovery/attempts",
            Doc::new("attempts", "What was done, the newest first.").returns_page_of::<Tried>(),
            attempts,
        )
        .get(
            "/api/v1/recovery/attempts/{attempt}",
            Doc::new("attempt", "One attempt, step by step.").path("attempt", "Its name.").returns::<Told>(),
            attempt,
        )
        .get(
            "/api/v1/recovery/freeze",
            Doc::new("frozen", "Whether recovery is frozen, and why.").returns::<Done>(),
            async |State(desk): State<Desk>| json(&Done { attempt: None, frozen: desk.frozen() }),
        );
    Verb::ALL.into_iter().fold(routes, |routes, verb| {
        // An emergency waits for nobody to look.
        let routes = if verb == Verb::Freeze {
            routes
        } else {
            let look = async move |desk: State<Desk>, who: Who, asked: Asked<About>| {
                look(desk, verb, who, asked).await
            };
            routes.get(verb.path(), look_doc(verb), look)
        };
        let doc = Doc::new(verb.code(), verb.summary()).returns::<Done>().takes(&verb.schema());
        routes.post(
            verb.path(),
            doc.refuses(&[404, 409]),
            async move |desk: State<Desk>, who: Who, body: Result<Json<Wanted>, JsonRejection>| {
                change(desk, verb, who, body).await
            },
        )
    })
}

fn look_doc(verb: Verb) -> Doc {
    let (id, says) = match verb {
        Verb::Approve => ("show_approve", "A plan that may be approved, as it stands now."),
        Verb::Discard => ("show_discard", "A plan that may be discarded, as it stands now."),
        Verb::Acknowledge => ("show_acknowledge", "What failed at a connector, as it stands now."),
        Verb::Run => ("show_run", "A plan that may be carried out, as it stands now."),
        Verb::Restore => {
            ("show_restore", "What would be put back, as it stands now: the connector is looked at.")
        }
        Verb::Freeze => ("show_freeze", "Nothing."),
        Verb::Unfreeze => ("show_unfreeze", "Why recovery is frozen, and what would go on."),
    };
    let doc = Doc::new(id, says).returns::<Shown>().refuses(&[400, 403, 404, 409]);
    let doc = match verb.about() {
        Some(about) => doc.needs(about, "Which one."),
        None => doc,
    };
    if verb == Verb::Run {
        let strategies = Strategy::ALL.map(Strategy::code);
        doc.query_of("strategy", &strategies, "How; what policy chooses where it is left out.")
    } else {
        doc
    }
}

/// What is asked about, in the query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    plan: Option<String>,
    connector: Option<String>,
    attempt: Option<String>,
    strategy: Option<String>,
}

async fn look(State(desk): State<Desk>, verb: Verb, Who(_): Who, Asked(asked): Asked<About>) -> Response {
    let About { plan, connector, attempt, strategy } = asked;
    let wanted = Wanted { plan, connector, attempt, strategy, ..Wanted::default() };
    match shown(&desk, verb, &wanted).await {
        Ok(Some(standing)) => json(&Shown { seen: standing.mark(), says: standing.says }),
        Ok(None) => problem(StatusCode::NOT_FOUND, "there is nothing to be looked at"),
        Err(refused) => refused.into_response(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfList {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfBoth {
    limit: Option<usize>,
}

/// The overview: of either list its first page.
async fn begins(State(desk): State<Desk>, Asked(asked): Asked<OfBoth>) -> Result<Response, Response> {
    let paging = Paging::new(asked.limit, None)?;
    let overview = desk.show(|seen| {
        let (plans, attempts) = (plans_of(seen, &paging), attempts_of(seen, &paging));
        Overview {
            plans: plans.items,
            next_plans: plans.next,
            attempts: attempts.items,
            next_attempts: attempts.next,
            ..seen.overview_of(&|_, _| false)
        }
    });
    Ok(json(&overview))
}

fn plans_of(seen: &Seen<'_>, paging: &Paging) -> Page<PlannedFor> {
    let of = |one: &&Planned| {
        let id = &one.plan.connector;
        Cursor::of([&id.connect_cluster, &id.connector])
    };
    let Page { items, next } = paging.page(seen.plans.iter(), of);
    Page { items: items.into_iter().map(|one| seen.planned(one)).collect(), next }
}

fn attempts_of(seen: &Seen<'_>, paging: &Paging) -> Page<Tried> {
    let after = paging.after.as_ref().and_then(|Cursor(parts)| parts.first());
    let (items, more) = seen.attempts(after.map(String::as_str), paging.limit);
    let next = items.last().filter(|_| more).map(|last| Cursor::of([&last.attempt]).to_text());
    Page { items, next }
}

async fn plans(State(desk): State<Desk>, Asked(asked): Asked<OfList>) -> Result<Response, Response> {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    Ok(json(&desk.show(|seen| plans_of(seen, &paging))))
}

async fn attempts(State(desk): State<Desk>, Asked(asked): Asked<OfList>) -> Result<Response, Response> {
    let paging = Paging::new(asked.limit, asked.cursor.as_deref())?;
    Ok(json(&desk.show(|seen| attempts_of(seen, &paging))))
}

async fn attempt(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    story(&desk, &id).map_or_else(IntoResponse::into_response, |told| json(&told))
}

async fn change(
    State(desk): State<Desk>,
    verb: Verb,
    Who(by): Who,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let wanted = match body {
        Ok(Json(wanted)) => wanted,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    carry_out(&desk, verb, wanted, by).await.map_or_else(IntoResponse::into_response, |done| json(&done))
}
