//! `POST /-/reload`.

use super::Gate;
use super::who::Who;
use crate::daemon::Reloads;
use crate::publish::http::{headers, problem_with};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};

#[derive(Clone)]
struct Room {
    reloads: Reloads,
    gate: Gate,
}

impl FromRef<Room> for Gate {
    fn from_ref(room: &Room) -> Self {
        room.gate.clone()
    }
}

/// Has the configuration read again, for those whom the gate knows. The answer comes between two passes: 200 with the keys whose
/// change takes a restart, or 422 with what is wrong; then nothing was changed.
pub fn reload(reloads: Reloads, gate: Gate) -> Router {
    Router::new().route("/-/reload", post(carry_out)).with_state(Room { reloads, gate })
}

async fn carry_out(State(room): State<Room>, Who(by): Who) -> Response {
    match room.reloads.reload(&by.to_string()).await {
        Ok(restart_for) => {
            let body = serde_json::json!({ "restart_for": restart_for });
            (headers("application/json"), Json(body)).into_response()
        }
        Err(problem) => problem_with(StatusCode::UNPROCESSABLE_ENTITY, &problem),
    }
}
