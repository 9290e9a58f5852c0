//! A problem as a page: what is not possible, and what to do instead. Programs get the same as JSON (RFC 9457).

use super::frame::{Frame, headers};
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

/// Longest problem that is read again.
const LONGEST: usize = 64 << 10;

/// Everything below these is for programs.
const PROGRAMS: [&str; 5] = ["/api/", "/metrics", "/healthz", "/readyz", "/-/"];

/// Draws problems as pages for whoever asks for a page: browsers say that they take HTML.
pub(crate) async fn readable(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let wanted = !PROGRAMS.iter().any(|program| path.starts_with(program)) && takes_html(request.headers());
    let answer = next.run(request).await;
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    if !wanted || kind != Some(b"application/problem+json") {
        return answer;
    }
    drawn(&Frame::bare(), answer).await
}

fn takes_html(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.any(|accept| accept.contains("text/html"))
}

/// The same problem, as a page with its status and what belongs to it.
pub(super) async fn drawn(frame: &Frame, problem: Response) -> Response {
    let (parts, body) = problem.into_parts();
    let bytes = to_bytes(body, LONGEST).await.unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let detail = said["detail"].as_str().unwrap_or("refused");
    let (title, advice) = words(parts.status);
    let body = html! {
        div class="card confirm" {
            h1 id="say" { (title) }
            p id="why" { (detail) }
            (advice)
            div class="actions" { a class="button" href="/" { "To the fleet" } a class="button" href="/recovery" { "To recovery" } }
        }
    };
    let mut answer = (parts.status, headers(), frame.draw(title, body).into_string()).into_response();
    for name in [header::WWW_AUTHENTICATE, header::ALLOW, header::RETRY_AFTER, header::CONNECTION] {
        for value in parts.headers.get_all(&name) {
            answer.headers_mut().append(&name, value.clone());
        }
    }
    answer
}

/// What it is called, and what to do.
fn words(status: StatusCode) -> (&'static str, Markup) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Sign in",
            html! {
                p { "A browser signs in with the name and password of a user (" code { "http.users" } ", " code { "http.users_file" } ") or with a client certificate. Bearer tokens are for programs." }
                p { "On the daemon's machine, " code { "resumeguard recovery" } " needs no password: the control socket knows its user." }
            },
        ),
        StatusCode::FORBIDDEN => (
            "Not allowed",
            html! {
                p { "Changes are for users with " code { "rights = \"change\"" } ", from this daemon's own pages only." }
                p { "On the daemon's machine: " code { "resumeguard recovery plan" } ", " code { "resumeguard freeze --reason …" } "." }
            },
        ),
        StatusCode::NOT_FOUND => {
            ("Not found", html! { p { "It may have been deleted, renamed or done since." } })
        }
        StatusCode::MISDIRECTED_REQUEST => (
            "Not by this name",
            html! { p { "Another page could have given its own name this daemon's address, so only names that are configured are answered." } },
        ),
        StatusCode::CONFLICT => (
            "Not now",
            html! { p { "Nothing was changed. What stands now is where the question was asked." } },
        ),
        StatusCode::TOO_MANY_REQUESTS => ("Too often", html! { p { "Wait some seconds and try again." } }),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Nothing is known at the moment",
            html! {
                p { "What was known before may no longer hold, so it is not shown. This page looks again by itself." }
                p { "If it stays so: " code { "journalctl -u resumeguard" } " and " a href="/healthz" { "/healthz" } " say whether passes advance." }
            },
        ),
        _ => ("That did not work", html! { p { "Nothing was changed." } }),
    }
}
