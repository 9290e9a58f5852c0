//! `POST /-/reload`.

use super::who::Who;
use crate::daemon::Reloads;
use crate::publish::http::{Doc, Routes, json, problem};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// The configuration holds from now on.
#[derive(Debug, Serialize, ToSchema)]
struct Reloaded {
    /// Keys that want something else, which takes a restart.
    restart_for: Vec<&'static str>,
}

/// Has the configuration read again, for those who may change something. The answer comes between two passes.
pub(crate) fn routes() -> Routes {
    let doc = Doc::new("reload", "Reads the configuration again; where it is wrong, nothing changes.");
    Routes::new().post("/-/reload", doc.returns::<Reloaded>().refuses(&[422, 503]), carry_out)
}

async fn carry_out(State(reloads): State<Option<Reloads>>, Who(by): Who) -> Response {
    let Some(reloads) = reloads else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "there is no configuration to be read again");
    };
    match reloads.reload(&by.to_string()).await {
        Ok(restart_for) => json(&Reloaded { restart_for }),
        Err(wrong) => problem(StatusCode::UNPROCESSABLE_ENTITY, &wrong),
    }
}
