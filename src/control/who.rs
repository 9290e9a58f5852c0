//! Who wants something. By the socket the kernel says so; by HTTP the door has looked (`server`).

use super::passwd::name_of;
use crate::config::http::Right;
use crate::publish::http::problem;
use crate::server::{Known, Visitor};
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use resumeguard_core::recovery::Actor;
use tokio::net::UnixListener;

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
    Actor::Person(person_name(uid))
}

fn person_name(uid: u32) -> String {
    match name_of(uid) {
        Some(name) => format!("uid {uid} ({name})"),
        None => format!("uid {uid}"),
    }
}

/// Whoever may open the socket may do everything; who it is, the kernel says.
pub(super) async fn by_kernel(mut request: Request, next: Next) -> Response {
    let Some(ConnectInfo(Peer(Some(uid)))) = request.extensions().get::<ConnectInfo<Peer>>() else {
        return problem(StatusCode::FORBIDDEN, "refused: the kernel does not say who you are");
    };
    let known = Known { name: person_name(*uid), right: Right::Change };
    request.extensions_mut().insert(Visitor(Some(known)));
    match crate::server::whole(request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => *refusal,
    }
}

/// Whoever may change something. Looked at here a second time: a way in that forgets to look lets nobody change anything.
pub(crate) struct Who(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        match parts.extensions.get::<Visitor>() {
            Some(Visitor(Some(known))) if known.right >= Right::Change => {
                Ok(Self(Actor::Person(known.name.clone())))
            }
            Some(Visitor(_)) | None => {
                Err(problem(StatusCode::FORBIDDEN, "refused: changes need credentials"))
            }
        }
    }
}
