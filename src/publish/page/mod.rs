//! The page: what is wrong at one look, how long is left, what to do. Drawn from the last pass whenever it is asked for,
//! without any I/O but a question to the history; worst first, a hundred connectors at a time. Works without JavaScript.

mod asked;
mod assets;
mod bands;
mod chart;
mod connector;
mod decide;
mod documents;
mod fleet;
mod frame;
mod plans;
mod readable;
mod recovery;
mod words;

pub(crate) use readable::readable;

use super::http::Room;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use frame::Frame;
use maud::Markup;

/// Every page. They are for people and described in the README; programs find the same below `/api/v1`.
pub(super) fn routes() -> Router<Room> {
    let router = Router::new()
        .route("/", get(fleet::page))
        .route("/connectors", get(connector::by_query))
        .route("/connectors/{connect_cluster}/{connector}", get(connector::by_path))
        .route("/recovery", get(recovery::page))
        .route("/recovery/plans/{plan}", get(recovery::plan))
        .route("/recovery/attempts/{attempt}", get(recovery::attempt))
        .route("/findings", get(documents::findings))
        .route("/findings/{name}", get(documents::finding))
        .route("/runbooks", get(documents::runbooks))
        .route("/runbooks/{name}", get(documents::runbook))
        .route("/login", get(decide::login));
    assets::routes(decide::routes(router))
}

/// A page that is no error.
fn page(frame: &Frame, title: &str, body: Markup) -> Response {
    (StatusCode::OK, frame::headers(), frame.draw(title, body).into_string()).into_response()
}

/// Elsewhere, by GET.
fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}
