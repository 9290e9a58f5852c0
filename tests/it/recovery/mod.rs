//! Recovery as people meet it: configuration, commands, control socket, HTTP. What it does to a real Connect is shown in
//! `tests/real`.

mod commands;
mod config;
mod daemon;
mod http;
mod mass;
pub(crate) mod sample;
mod socket;

use resumeguard::clock::Clock;
use resumeguard::journal::Journal;
use resumeguard::recovery::Desk;
use resumeguard_core::recovery::Event;
use serde_json::Value;
use std::path::Path;

/// A desk of its own in a directory of its own, with this in `[recovery]`, and its freeze file looked at once.
pub(crate) async fn desk(recovery: &str) -> (tempfile::TempDir, Desk) {
    desk_after(recovery, Vec::new()).await
}

/// The same, with this in its journal already.
pub(crate) async fn desk_after(recovery: &str, events: Vec<Event>) -> (tempfile::TempDir, Desk) {
    let directory = tempfile::tempdir().unwrap();
    if !events.is_empty() {
        let journal = Journal::open(directory.path(), Clock::start()).await.unwrap();
        for event in events {
            journal.append(event).await.unwrap();
        }
        journal.close().await;
    }
    let text = format!("[recovery]\ndirectory = \"{}\"\n{recovery}", directory.path().display());
    let config = crate::config::load_with(&text, &[]).unwrap().1;
    let desk = Desk::open(&config, Clock::start()).await;
    let off = recovery.contains("\"off\"");
    assert_eq!(desk.no_journal().as_deref(), off.then_some("recovery.mode is off"));
    while !desk.has_looked() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (directory, desk)
}

/// Asks by the socket what stands after `/api/v1/recovery`: GET without a body, else POST.
async fn asked_by_socket(path: &Path, what: &str, body: Option<&Value>) -> (u16, Value) {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let client = reqwest::Client::builder().unix_socket(path).build().unwrap();
    let url = format!("http://daemon/api/v1/recovery{what}");
    let request = match body {
        Some(body) => client.post(url).json(body),
        None => client.get(url),
    };
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}
