//! How answers look: JSON that may be asked for again by its ETag, and problems (RFC 9457).

use super::SERVED_BY;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// RFC 9457.
const PROBLEM: &str = "application/problem+json";
/// Answers are made in memory and bounded where they are made; this bounds what is hashed.
const LARGEST: usize = 256 << 20;
/// Longest sentence of a rejection that is passed on.
const LONGEST: usize = 4 << 10;

/// What every answer carries.
pub(crate) fn headers(content_type: &'static str) -> [(HeaderName, HeaderValue); 4] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::SERVER, HeaderValue::from_static(SERVED_BY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

/// A body of JSON.
pub(crate) fn json<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (headers("application/json"), bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
        }
    }
}

/// Bytes of JSON whose ETag is known.
pub(super) fn rendered(bytes: Bytes, etag: &HeaderValue) -> Response {
    ([(header::ETAG, etag.clone())], headers("application/json"), bytes).into_response()
}

/// Why something cannot be had.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("not available");
    let body = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail }).to_string();
    (status, headers(PROBLEM), body).into_response()
}

/// The ETag of a body: what is the same is the same, whichever pass says it.
pub(crate) fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let hex = digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _written = write!(hex, "{byte:02x}").is_ok();
        hex
    });
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Gives each JSON answer to a GET its ETag, and answers 304 where the client has it already.
pub(super) async fn conditional(request: Request, next: Next) -> Response {
    let wanted = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let gets = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !gets || response.status() != StatusCode::OK || kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut parts, mut body) = response.into_parts();
    let tag = match parts.headers.get(header::ETAG) {
        Some(tag) => tag.clone(),
        None => {
            let Ok(bytes) = axum::body::to_bytes(body, LARGEST).await else {
                return problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too large");
            };
            let tag = etag(&bytes);
            body = Body::from(bytes);
            tag
        }
    };
    parts.headers.insert(header::ETAG, tag.clone());
    // It may be kept, by whoever asked, and is asked for again each time.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    parts.headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    if wanted.iter().any(|list| matches(list, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        body = Body::empty();
    }
    Response::from_parts(parts, body)
}

/// RFC 9110, 13.1.2: a list, compared weakly, or `*`.
fn matches(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else { return false };
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// What axum says by itself (404, 405, unreadable addresses) takes the form of all other problems.
pub(super) async fn every_error_is_a_problem(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    // Our own answers say who serves them.
    let ours = response.headers().contains_key(header::SERVER);
    if !(status.is_client_error() || status.is_server_error()) || ours || kind == Some(PROBLEM.as_bytes()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, LONGEST).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let detail = match (status, said.trim()) {
        (StatusCode::NOT_FOUND, "") => "nothing is called so here; /api/v1/openapi.json names everything",
        (StatusCode::METHOD_NOT_ALLOWED, "") => "it cannot be asked for in this way; see the header Allow",
        (_, "") => "refused",
        (_, said) => said,
    };
    let mut answer = problem(status, detail);
    keep(&parts.headers, answer.headers_mut(), &[header::ALLOW, header::RETRY_AFTER]);
    answer
}

fn keep(from: &HeaderMap, to: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_in_a_list_weakly_and_by_a_star() {
        let tag = etag(b"x");
        let own = tag.to_str().unwrap();
        for (list, is_so) in [
            (own.to_owned(), true),
            (format!("W/{own}"), true),
            (format!("\"a\", {own}"), true),
            ("*".to_owned(), true),
            ("\"a\"".to_owned(), false),
            (String::new(), false),
            (own.trim_matches('"').to_owned(), false),
        ] {
            assert_eq!(matches(&HeaderValue::from_str(&list).unwrap(), &tag), is_so, "{list}");
        }
        assert_ne!(etag(b"y"), tag);
    }
}
