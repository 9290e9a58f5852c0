//! Who looks for leaks finds one, in whatever it stands.

use super::Leaks;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const SECRET: &str = "a-planted-secret";

/// Answers like a daemon with thirty connectors, two plans and an attempt: each question, and whether a known person asks, with a status,
/// 0 for none. What `leaks` says tells the secret as well.
fn daemon(
    leaks: impl Fn(&str) -> bool + Send + 'static,
    answers: impl Fn(&str) -> u16 + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asks has what they wanted when they hang up.
            let _gone = answer(stream.unwrap(), &leaks, &answers).is_err();
        }
    });
    address
}

fn answer(
    mut stream: TcpStream,
    leaks: &impl Fn(&str) -> bool,
    answers: &impl Fn(&str) -> u16,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length, mut known) = (String::new(), 0, "");
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().unwrap();
        } else if line.starts_with("authorization:") {
            known = " known";
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let asked = first.split(" HTTP").next().unwrap_or_default();
    let status = answers(&format!("{asked}{known}"));
    if status == 0 {
        return Ok(());
    }
    let connectors: Vec<_> = (0..30)
        .map(|number| serde_json::json!({ "connect_cluster": "main", "connector": format!("c{number}"), "plan": { "id": "p1" } }))
        .collect();
    let body = match asked {
        "GET /api/v1/status" => serde_json::json!({ "connectors": connectors }).to_string(),
        "GET /api/v1/recovery/plans?limit=500" => {
            let of = |id: &str| serde_json::json!({ "id": id, "strategy": "salvage" });
            let plan = serde_json::json!({ "connect_cluster": "main", "connector": "c0", "plan": of("p1"), "alternatives": [of("p2")] });
            serde_json::json!({ "items": [plan] }).to_string()
        }
        "GET /api/v1/recovery/attempts?limit=500" => {
            serde_json::json!({ "items": [{ "attempt": "a1", "connect_cluster": "main", "connector": "c1" }] }).to_string()
        }
        _ => String::new(),
    };
    let planted = |what: String| if leaks(&what) { SECRET } else { "" };
    let (header, more) = (planted(format!("header {asked}{known}")), planted(format!("{asked}{known}")));
    // Bodies are JSON where they are read as such.
    let body = if body.is_empty() { format!("x{more}") } else { body };
    write!(
        stream,
        "HTTP/1.1 {status} So\r\nX-A: a{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

const OPEN: &str = "[http]\ntoken = \"0123456789abcdef\"\n";
const GUARDED: &str = "[http]\nread = \"authenticated\"\ntoken = \"0123456789abcdef\"\n";
const USERS_ONLY: &str =
    "[http]\nread = \"authenticated\"\n[http.users.ada]\npassword_hash = \"$2b$04$abc\"\n";

/// What is complained of at a daemon of this configuration.
fn complaint(http: &str, address: &str, log: &str) -> Option<String> {
    let mut known = Leaks::of_config(&format!("{http}[connect.a]\npassword = \"{SECRET}\"\n"));
    let sweep = || known.sweep_within(Duration::from_millis(200), address, log);
    let swept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(sweep));
    swept.err().map(|said| said.downcast_ref::<String>().cloned().unwrap_or_default())
}

fn found(leaks: impl Fn(&str) -> bool + Send + 'static, log: &str) -> Option<String> {
    complaint(OPEN, &daemon(leaks, |_| 200), log)
}

#[test]
fn a_planted_secret_is_found_in_every_kind_of_output() {
    assert_eq!(found(|_| false, "nothing"), None);
    for planted in [
        "GET /",
        "GET /metrics",
        "GET /api/v1/stream",
        "GET /api/v1/stream known",
        "GET /recovery/plans/p1",
        "GET /recovery/attempts/a1",
        "GET /recovery/restore?attempt=a1 known",
        "GET /connectors?connect_cluster=main&connector=c29",
        "GET /api/v1/connectors/main/c29 known",
        "header GET /api/v1/oplogs",
        "POST /api/v1/recovery/approve",
        "POST /api/v1/recovery/unfreeze known",
        "POST /recovery/freeze",
        "POST /recovery/restore known",
        "POST /-/reload known",
        "GET /api/v1/recovery/approve?plan=p1",
        "GET /api/v1/recovery/discard?plan=p2 known",
        "GET /recovery/discard?plan=p1",
        "GET /api/v1/recovery/run?connector=main%2Fc0&strategy=salvage",
        "GET /api/v1/recovery/acknowledge?connector=main%2Fc0",
        "GET /api/v1/recovery/acknowledge?connector=main%2Fc1 known",
        "GET /api/v1/recovery/restore?attempt=a1",
    ] {
        let said = found(move |what| what == planted, "nothing")
            .unwrap_or_else(|| panic!("{planted} told it to nobody"));
        assert!(said.contains("tells the secret"), "{planted}: {said}");
    }
    assert!(found(|_| false, &format!("a line\nwith {SECRET}\n")).is_some(), "the log");
}

/// Where nobody answers, nobody has looked.
#[test]
fn a_daemon_that_does_not_answer_was_not_looked_at() {
    let of = |http: &str, answers: fn(&str) -> u16| complaint(http, &daemon(|_| false, answers), "nothing");
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let said = complaint(OPEN, &nobody, "nothing").expect("nobody listens");
    assert!(said.contains("nobody answers"), "{said}");
    for silent in ["GET /metrics", "GET /api/v1/oplogs known", "POST /-/reload", "GET /api/v1/stream"] {
        let answers = move |asked: &str| if asked == silent { 0 } else { 200 };
        let said = complaint(OPEN, &daemon(|_| false, answers), "nothing").expect(silent);
        assert!(said.contains("was not answered"), "{silent}: {said}");
    }
    let status =
        |refusal: u16| move |asked: &str| if asked.starts_with("GET /api/v1/status") { refusal } else { 200 };
    for refusal in [401, 404, 421, 500, 503] {
        let said = complaint(OPEN, &daemon(|_| false, status(refusal)), "nothing").expect("refused");
        assert!(said.contains(&format!("{refusal}, not 200")), "{said}");
    }
    // Where only those who are known may read, strangers are refused, and only they.
    let guards = |asked: &str| if asked.ends_with(" known") || asked == "GET /healthz" { 200 } else { 401 };
    assert_eq!(of(GUARDED, guards), None);
    assert_eq!(of(USERS_ONLY, guards), None);
    assert!(of(GUARDED, |_| 401).is_some(), "nobody at all is let in");
    assert!(of(GUARDED, |_| 200).is_some(), "everybody is let in");
    assert!(of(OPEN, guards).is_some(), "strangers may read");
}
