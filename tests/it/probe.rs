//! `probe` where nobody can be asked: one line, the documented exit status.

use crate::cli::{Run, resumeguard};
use crate::fake_connect::{Answer, FakeConnect, listing, offsets};

/// Nobody listens on the discard port of the loopback interface here.
const DEAD_URI: &str = "mongodb://127.0.0.1:9/?replicaSet=rs0";
const KEY: &str = "mongodb://127.0.0.1:9/db.c";
const TOKEN: &str = r#"{"_data": "826B03B3E1000000012B0229296E04"}"#;

async fn probe(url: &str, connector: &str) -> Run {
    ask("probe", url, connector).await
}

async fn ask(command: &str, url: &str, connector: &str) -> Run {
    let arguments = [command, connector, "--connect", url].map(str::to_owned);
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        resumeguard(&arguments).env("RESUMEGUARD__POLL__INTERVAL", "2s").run()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_has_its_line_and_its_exit_status() {
    for (uri, stored, connector, code, part) in [
        (DEAD_URI, offsets(&[(KEY, TOKEN)]), "orders", 69, "no member of the deployment answered"),
        (DEAD_URI, Answer::Html, "orders", 69, "the stored offsets could not be read"),
        (DEAD_URI, offsets(&[]), "orders", 3, "nothing is stored under the key"),
        (DEAD_URI, offsets(&[(KEY, "garbage")]), "orders", 3, "fails at start without asking the server"),
        (DEAD_URI, offsets(&[(KEY, r#"{"_id": 5, "copyingData": true}"#)]), "orders", 3, "is being copied"),
        ("${file:/s:uri}", offsets(&[(KEY, TOKEN)]), "orders", 3, "holds a placeholder"),
        (
            DEAD_URI,
            offsets(&[(KEY, TOKEN)]),
            "invoices",
            64,
            "no MongoDB source connector is called invoices",
        ),
    ] {
        let fake = FakeConnect::start(listing("orders", uri), stored).await;
        let run = probe(&fake.url, connector).await;
        assert_eq!((run.code, run.stderr.trim_end().lines().count()), (code, 1), "{part}: {run:?}");
        assert!(run.stderr.contains(part) && run.stdout.is_empty(), "{part}: {run:?}");
    }
    let fake = FakeConnect::start(Answer::Html, Answer::Html).await;
    let run = probe(&fake.url, "orders").await;
    assert!(run.code == 69 && run.stderr.contains("HTML instead of JSON"), "{run:?}");
}

/// A script that asks both must not have to know which says what.
#[tokio::test(flavor = "multi_thread")]
async fn explain_and_probe_say_alike_that_a_name_is_not_known() {
    for (answer, code, part) in [
        (listing("orders", DEAD_URI), 64, "no MongoDB source connector is called invoices"),
        (Answer::Html, 69, "HTML instead of JSON"),
    ] {
        let fake = FakeConnect::start(answer, offsets(&[])).await;
        for command in ["probe", "explain"] {
            let run = ask(command, &fake.url, "invoices").await;
            assert!(run.code == code && run.stderr.contains(part), "{command}: {run:?}");
        }
    }
}
