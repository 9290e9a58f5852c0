//! What the last pass says, where it still counts.

use super::problem;
use crate::publish::{Board, Published};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// The newest rendering.
///
/// # Errors
/// 503 before the first pass has ended, and where the last one is too old to count.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
pub(in crate::publish) fn fresh(board: &Board) -> Result<Arc<Published>, Response> {
    let unavailable = |detail| problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    match board.newest() {
        Some(newest) if !board.is_stale(&newest) => Ok(newest),
        Some(_) => Err(unavailable("the last pass is older than three intervals; see the log")),
        None => Err(unavailable("the first pass has not ended yet; try again in some seconds")),
    }
}
