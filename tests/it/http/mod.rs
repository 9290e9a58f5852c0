//! HTTP as it is served: who is let in, what is answered, and what cannot hold it.

mod answers;
mod described;
mod held;
mod many;
mod pages;
mod secured;
mod stream;

use resumeguard::clock::Clock;
use resumeguard::history::History;
use resumeguard::publish::http::{Room, router};
use resumeguard::publish::status::{Status, Tokens};
use resumeguard::publish::{Board, Published};
use resumeguard::recovery::Desk;
use resumeguard::server::Server;
use resumeguard_core::recovery::Event;
use std::time::Duration;

/// A server of its own, with the golden sample as its last pass.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    server: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The golden sample, as the pass would render it.
pub(crate) fn published(status: &Status) -> Published {
    Published::new(Duration::ZERO, status.clone(), b"resumeguard_subjects 1\n".to_vec(), Vec::new())
}

pub(crate) fn sample() -> Status {
    Status::new(&crate::golden::snapshot(), Tokens::Shown).with_plans(&crate::golden::overview())
}

/// What is answered from, without a history.
pub(crate) fn room(desk: &Desk) -> Room {
    let board = Board::new(Clock::start(), Duration::from_secs(3600));
    board.put(published(&sample()));
    Room { board, history: None, desk: desk.clone(), reloads: None }
}

impl Served {
    /// With this in `[http]` and this in `[recovery]`.
    pub(crate) async fn start(http: &str, recovery: &str) -> Self {
        Self::start_with(http, recovery, None).await
    }

    /// With this in the journal already.
    pub(crate) async fn start_after(http: &str, recovery: &str, events: Vec<Event>) -> Self {
        let desk = crate::recovery::desk_after(recovery, events).await;
        Self::at(http, desk, None).await
    }

    pub(crate) async fn start_with(http: &str, recovery: &str, history: Option<&History>) -> Self {
        let desk = crate::recovery::desk(recovery).await;
        Self::at(http, desk, history).await
    }

    async fn at(http: &str, desk: (tempfile::TempDir, Desk), history: Option<&History>) -> Self {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let (directory, desk) = desk;
        let text = format!("[http]\nlisten = \"127.0.0.1:0\"\n{http}\n");
        let config = crate::config::load_with(&text, &[]).unwrap().1.http;
        let room = Room { history: history.map(History::reader), ..room(&desk) };
        let server = Server::bind(&config, Clock::start()).await.unwrap();
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", server.address().unwrap());
        let board = room.board.clone();
        let server = tokio::spawn(server.serve(router(room)));
        Self { url, desk, board, server, _directory: directory }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.split("//").nth(1).unwrap()
    }
}
