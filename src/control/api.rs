//! `/api/v1/recovery…`, the same by the control socket and by HTTP.

use super::{Gate, Verb, Wanted, carry_out, overview, story, who::Who};
use crate::publish::http::{headers, problem_with};
use crate::recovery::{Desk, Refused};
use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

/// A reason and a name or two.
const BODY_LIMIT: usize = 16 << 10;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The attempt that was begun by it.
    pub attempt: Option<String>,
    /// Why recovery is frozen now.
    pub frozen: Option<String>,
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
            Refused::Blocked(_) => 409,
            Refused::Journal(_) | Refused::Unreadable { .. } => 503,
        };
        Self { status, detail: refused.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        problem_with(status, &self.detail)
    }
}

#[derive(Clone)]
struct Room {
    desk: Desk,
    gate: Gate,
}

impl FromRef<Room> for Desk {
    fn from_ref(room: &Room) -> Self {
        room.desk.clone()
    }
}

impl FromRef<Room> for Gate {
    fn from_ref(room: &Room) -> Self {
        room.gate.clone()
    }
}

/// Every endpoint. Reading is open to whoever can connect; changes are for those whom the gate knows.
pub fn router(desk: Desk, gate: Gate) -> Router {
    Router::new()
        .route("/api/v1/recovery", get(async |State(desk): State<Desk>| json(overview(&desk))))
        .route("/api/v1/recovery/plans", get(async |State(desk): State<Desk>| json(overview(&desk).plans)))
        .route(
            "/api/v1/recovery/attempts",
            get(async |State(desk): State<Desk>| json(overview(&desk).attempts)),
        )
        .route("/api/v1/recovery/attempts/{id}", get(attempt))
        .route("/api/v1/recovery/freeze", get(frozen).post(freeze))
        .route("/api/v1/recovery/{verb}", post(change))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Room { desk, gate })
}

fn json<T: Serialize>(body: T) -> Response {
    (headers("application/json"), Json(body)).into_response()
}

async fn frozen(State(desk): State<Desk>) -> Response {
    json(Done { attempt: None, frozen: desk.frozen() })
}

async fn attempt(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    story(&desk, &id).map_or_else(IntoResponse::into_response, json)
}

async fn freeze(desk: State<Desk>, who: Who, body: Result<Json<Wanted>, JsonRejection>) -> Response {
    change(desk, Path(Verb::Freeze.code().to_owned()), who, body).await
}

/// Who it is comes before what is wanted: a stranger's body is not even read.
async fn change(
    State(desk): State<Desk>,
    Path(verb): Path<String>,
    Who(by): Who,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let Some(verb) = Verb::ALL.into_iter().find(|known| known.code() == verb) else {
        return Problem::unknown(&format!("nothing is called {verb} here")).into_response();
    };
    let wanted = match body {
        Ok(Json(wanted)) => wanted,
        Err(rejection) => return problem_with(rejection.status(), &rejection.body_text()),
    };
    carry_out(&desk, verb, wanted, by).await.map_or_else(IntoResponse::into_response, json)
}
