//! The control socket: whose it is, who may connect, and who it says that somebody is.

use super::{asked_by_socket, desk};
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
