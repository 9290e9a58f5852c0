//! The control socket: whose it is, who may connect, and who it says that somebody is.

use super::{asked_by_socket, desk, desk_after};
use crate::cli::resumeguard;
use resumeguard::control::{FILE, Socket, SocketError};
use resumeguard_core::recovery::Actor;
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_is_named_by_the_kernel() {
    let (directory, desk) = desk("").await;
    let socket = Socket::bind(directory.path()).await.unwrap();
    let path = directory.path().join(FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(
        names.iter().all(|name| !name.to_string_lossy().starts_with('.')),
        "nothing is left beside: {names:?}"
    );
    let room = crate::http::room(&desk);
    let server = tokio::spawn(socket.serve(resumeguard::publish::http::router(room)));
    let body = serde_json::json!({ "reason": "rain" });
    let (status, done) = asked_by_socket(&path, "/freeze", Some(&body)).await;
    assert_eq!(status, 200, "{done}");
    let uid = rustix::process::getuid().as_raw();
    let (by, reason) = desk.ledger().frozen.clone().unwrap();
    assert!(matches!(&by, Actor::Person(name) if name.starts_with(&format!("uid {uid}"))), "{by}");
    if uid == 0 {
        assert_eq!(by.to_string(), "uid 0 (root)");
    }
    assert_eq!(reason, "rain");
    assert_eq!(done["frozen"], format!("{by}: rain"), "{done}");
    let (status, frozen) = asked_by_socket(&path, "/freeze", None).await;
    assert_eq!((status, &frozen), (200, &done));
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert!(!path.exists(), "the file goes with its process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_processes_socket_is_replaced_and_a_living_ones_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    // What a kill leaves: the file, and nobody behind it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let living = Socket::bind(directory.path()).await.unwrap();
    let second = Socket::bind(directory.path()).await.unwrap_err();
    assert!(matches!(second, SocketError::Taken(_)), "{second}");
    assert!(second.to_string().contains("another resumeguard answers there"), "{second}");
    assert!(path.exists(), "the living one's is still there");
    drop(living);
    Socket::bind(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_socket_is_left_alone_and_what_cannot_be_made_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(&path, "precious").unwrap();
    let foreign = Socket::bind(directory.path()).await.unwrap_err();
    assert!(matches!(foreign, SocketError::Foreign(_)), "{foreign}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let missing = Socket::bind(&directory.path().join("missing")).await.unwrap_err().to_string();
    assert!(missing.contains("No such file or directory") && missing.lines().count() == 1, "{missing}");
    // Linux takes 107 bytes at the most.
    let deep = directory.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let long = Socket::bind(&deep).await.unwrap_err().to_string();
    assert!(long.contains("shorter") && long.lines().count() == 1, "{long}");
}

/// More attempts than any page holds: the overview has the newest, and whoever lists them all asks on.
#[tokio::test(flavor = "multi_thread")]
async fn more_attempts_than_a_page_holds_are_listed_page_by_page() {
    let (directory, desk) = desk_after("", super::sample::succeeded(506)).await;
    let socket = Socket::bind(directory.path()).await.unwrap();
    let path = directory.path().join(FILE);
    let server = tokio::spawn(socket.serve(resumeguard::publish::http::router(crate::http::room(&desk))));
    let names = |list: &serde_json::Value| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["attempt"].as_str().unwrap().to_owned()).collect()
    };
    let newest_first: Vec<String> = (0..506).rev().map(|number| format!("b{number:04}")).collect();
    for (query, listed) in [("", 100), ("?limit=7", 7), ("?limit=500", 500)] {
        let (status, seen) = asked_by_socket(&path, query, None).await;
        assert_eq!((status, &names(&seen["attempts"])[..]), (200, &newest_first[..listed]), "{query}");
        assert!(seen["next_plans"].is_null(), "there is no plan");
        let cursor = seen["next_attempts"].as_str().unwrap();
        let (_, page) = asked_by_socket(&path, &format!("/attempts?limit=5&cursor={cursor}"), None).await;
        assert_eq!(&names(&page["items"])[..], &newest_first[listed..listed + 5], "{query}");
    }
    for query in ["?limit=0", "?limit=501", "?limit=x", "?cursor=x"] {
        let (status, problem) = asked_by_socket(&path, query, None).await;
        assert_eq!(status, 400, "{query}: {problem}");
    }
    let state = directory.path().display().to_string();
    let list = move || resumeguard(&["recovery", "list", "--json", "--state", &state]).run();
    let run = tokio::task::spawn_blocking(list).await.unwrap();
    let listed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(names(&listed), newest_first, "{}", run.stderr);
    server.abort();
}
