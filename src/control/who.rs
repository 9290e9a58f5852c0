//! Who wants something. By the socket the kernel says so; by HTTP it is whoever shows the token.

use super::passwd::name_of;
use crate::config::Secret;
use crate::publish::http::problem_with;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use resumeguard_core::recovery::Actor;
use tokio::net::UnixListener;

/// By what somebody is let in.
#[derive(Debug, Clone)]
pub enum Gate {
    /// The control socket: its file's owner, and root.
    Socket,
    /// HTTP: whoever shows this token; `None`: nobody.
    Token(Option<Secret>),
}

/// The process at the other end of the control socket.
#[derive(Debug, Clone)]
pub struct Peer(Option<u32>);

impl axum::extract::connect_info::Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// A person, as the journal names them.
#[must_use]
pub(super) fn person(uid: u32) -> Actor {
    Actor::Person(match name_of(uid) {
        Some(name) => format!("uid {uid} ({name})"),
        None => format!("uid {uid}"),
    })
}

/// Whoever has been let in.
pub(super) struct Who(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Who
where
    Gate: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refused = |detail| problem_with(StatusCode::FORBIDDEN, detail);
        match Gate::from_ref(state) {
            Gate::Socket => match parts.extensions.get::<ConnectInfo<Peer>>() {
                Some(ConnectInfo(Peer(Some(uid)))) => Ok(Self(person(*uid))),
                _ => Err(refused("refused: the kernel does not say who you are")),
            },
            Gate::Token(None) => Err(refused(
                "refused: no credentials are configured (http.token_file); the resumeguard command on this machine needs none",
            )),
            Gate::Token(Some(_)) if is_cross_origin(&parts.headers) => {
                Err(refused("refused: a page of another origin asks for it"))
            }
            Gate::Token(Some(token)) if shows(&parts.headers, &token) => {
                Ok(Self(Actor::Person("token".to_owned())))
            }
            Gate::Token(Some(_)) => {
                let problem = problem_with(
                    StatusCode::UNAUTHORIZED,
                    "needs Authorization: Bearer and the token of http.token_file",
                );
                let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
                Err((challenge, problem).into_response())
            }
        }
    }
}

fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let (scheme, shown) = shown.split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer ") && same(shown, token.expose().as_bytes())
}

/// Takes as long for a guess that is nearly right as for any other of that length.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |bits, (a, b)| std::hint::black_box(bits | (a ^ b)));
    shown.len() == token.len() && differing == 0
}

/// Browsers say where a request comes from; other programs say nothing.
fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign_site = text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let host = text("host").unwrap_or_default();
    let foreign_origin = text("origin").is_some_and(|origin| {
        let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        named.is_none_or(|named| !named.eq_ignore_ascii_case(host))
    });
    foreign_site || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_whole_token_counts() {
        let token = Secret::from("0123456789abcdef".to_owned());
        for (shown, counts) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Bearer ", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(shows(&headers(&[("authorization", shown)]), &token), counts, "{shown}");
        }
        assert!(!shows(&HeaderMap::new(), &token));
    }

    #[test]
    fn pages_of_other_origins_are_told_by_their_headers() {
        let host = ("host", "h:9286");
        for (pair, foreign) in [
            (("origin", "http://h:9286"), false),
            (("origin", "https://H:9286"), false),
            (("origin", "http://h:80"), true),
            (("origin", "null"), true),
            (("origin", "https://evil.example"), true),
            (("sec-fetch-site", "same-origin"), false),
            (("sec-fetch-site", "none"), false),
            (("sec-fetch-site", "cross-site"), true),
            (("sec-fetch-site", "same-site"), true),
        ] {
            assert_eq!(is_cross_origin(&headers(&[host, pair])), foreign, "{pair:?}");
        }
        assert!(!is_cross_origin(&headers(&[host])), "curl says nothing");
    }
}
