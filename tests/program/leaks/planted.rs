//! Who looks for leaks finds one, in whatever it stands.

use super::Leaks;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const SECRET: &str = "a-planted-secret";

/// Answers like a daemon with thirty connectors, a plan and an attempt; what `leaks` says tells the secret as well.
fn daemon(leaks: impl Fn(&str) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asks has what they wanted when they hang up.
            let _gone = answer(stream.unwrap(), &leaks).is_err();
        }
    });
    address
}

fn answer(mut stream: TcpStream, leaks: &impl Fn(&str) -> bool) -> std::io::Result<()> {
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
    let connectors: Vec<_> = (0..30)
        .map(|number| serde_json::json!({ "connect_cluster": "main", "connector": format!("c{number}"), "plan": { "id": "p1" } }))
        .collect();
    let body = match asked {
        "GET /api/v1/status" => serde_json::json!({ "connectors": connectors }).to_string(),
        "GET /api/v1/recovery/attempts?limit=500" => {
            serde_json::json!({ "items": [{ "attempt": "a1" }] }).to_string()
        }
        _ => String::new(),
    };
    let planted = |what: String| if leaks(&what) { SECRET } else { "" };
    let (header, more) = (planted(format!("header {asked}{known}")), planted(format!("{asked}{known}")));
    // Bodies are JSON where they are read as such.
    let body = if body.is_empty() { format!("x{more}") } else { body };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nX-A: a{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn found(leaks: impl Fn(&str) -> bool + Send + 'static, log: &str) -> Option<String> {
    let address = daemon(leaks);
    let mut known = Leaks::of_config(&format!(
        "[http]\ntoken = \"0123456789abcdef\"\n[connect.a]\npassword = \"{SECRET}\"\n"
    ));
    let swept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| known.sweep(&address, log)));
    swept.err().map(|said| said.downcast_ref::<String>().cloned().unwrap_or_default())
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
    ] {
        let said = found(move |what| what == planted, "nothing")
            .unwrap_or_else(|| panic!("{planted} told it to nobody"));
        assert!(said.contains("tells the secret"), "{planted}: {said}");
    }
    assert!(found(|_| false, &format!("a line\nwith {SECRET}\n")).is_some(), "the log");
}
