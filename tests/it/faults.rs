//! Connect at its worst: one clear line, the documented exit status, and nothing else lost.

use crate::cli::{Run, resumeguard};
use crate::fake_connect::{Answer, FakeConnect, listing, listing_of, offsets};

/// Nobody listens on the discard port of the loopback interface here; a URI for oplogs that cannot be read.
const DEAD_URI: &str = "mongodb://127.0.0.1:9/?replicaSet=rs0";

async fn status(url: &str) -> Run {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || {
        resumeguard(&["status", "--connect", &url]).env("RESUMEGUARD__POLL__INTERVAL", "2s").run()
    })
    .await
    .unwrap()
}

#[track_caller]
fn one_line(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{run:?}");
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "one line: {run:?}");
    for part in parts {
        assert!(run.stderr.contains(part), "{part} in {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_url() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = status(&format!("http://{closed}")).await;
    one_line(&run, 69, &["no Kafka Connect at", "Connection refused", "8083"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn html_a_refusal_a_rebalance_garbage_and_silence() {
    for (answer, parts) in [
        (Answer::Html, &["answered 200 with HTML instead of JSON", "proxy"][..]),
        (
            Answer::Status(401, "User cannot access the resource."),
            &["refused the credentials (401)", "password_file"],
        ),
        (
            Answer::Status(409, "{\"error_code\":409,\"message\":\"rebalance\"}"),
            &["rebalancing (409)", "next pass"],
        ),
        (
            Answer::Status(500, "{\"error_code\":500,\"message\":\"Request timed out\"}"),
            &["answered 500: Request timed out"],
        ),
        (Answer::Status(502, ""), &["answered 502 with an empty body"]),
        (Answer::Json("{".into()), &["another form", "EOF"]),
        (Answer::Json("[1]".into()), &["another form"]),
        (Answer::Endless, &["Kafka Connect"]),
        (Answer::Silence, &["did not answer within 500.0ms"]),
    ] {
        let fake = FakeConnect::start(answer.clone(), Answer::Html).await;
        let run = status(&fake.url).await;
        if matches!(answer, Answer::Endless) {
            assert_eq!(run.code, 69, "{run:?}");
            continue;
        }
        one_line(&run, 69, parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_the_url_are_refused_and_not_repeated() {
    let run = status("http://me:hunter2@127.0.0.1:8083").await;
    one_line(&run, 78, &["--connect: must not hold credentials", "password_file"]);
    assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{run:?}");
}

/// Four connectors whose offsets hang fill every lane; the fifth is read all the same.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_hang_do_not_starve_the_others() {
    use resumeguard::{clock::Clock, config, daemon::Watch};
    use resumeguard_core::domain::{Verdict, Why};
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let names = ["a-hangs", "b-hangs", "c-hangs", "d-hangs", "well"];
    let fake = FakeConnect::start(listing_of(&names, DEAD_URI), offsets(&[])).await;
    let environment = [("RESUMEGUARD__POLL__INTERVAL".to_owned(), "2s".to_owned())].into();
    let sources = config::Sources { connect: vec![fake.url.clone()], environment, ..Default::default() };
    let mut watch = Watch::new(&config::load(&sources).unwrap().1, Clock::start()).unwrap();
    for _pass in 0..3 {
        let snapshot = watch.pass().await;
        for connector in &snapshot.connectors {
            let hangs = connector.id.connector.ends_with("hangs");
            let why = if hangs { Why::OffsetsUnreadable } else { Why::NoPosition };
            assert_eq!(connector.verdict, Verdict::Unknown(why), "{}", connector.id);
        }
    }
}

/// A Connect cluster without a MongoDB connector is well, and there is nothing to tell.
#[tokio::test(flavor = "multi_thread")]
async fn no_connector_at_all_is_no_trouble() {
    let fake = FakeConnect::start(Answer::Json("{}".into()), Answer::Html).await;
    let run = status(&fake.url).await;
    assert_eq!((run.code, run.stdout.as_str()), (0, "No MongoDB source connector was found.\n"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_has_its_reason_for_every_bad_offset_and_uri() {
    let token = r#"{"_data": "826B03B3E1000000012B0229296E04"}"#;
    let key = "mongodb://127.0.0.1:9/db.c";
    for (uri, stored, why) in [
        ("${file:/etc/secrets.properties:uri}", offsets(&[(key, token)]), "uri_placeholder"),
        ("${file:/s:uri}", offsets(&[(key, token), ("mongodb://old/db.c", token)]), "key_ambiguous"),
        ("mongodb://127.0.0.1:9/?tlsCAFile=/etc/ssl/x.pem", offsets(&[(key, token)]), "uri_refused"),
        ("http://wrong", offsets(&[]), "uri_invalid"),
        (DEAD_URI, offsets(&[]), "no_position"),
        (DEAD_URI, offsets(&[("mongodb://old/db.c", token)]), "no_position"),
        (DEAD_URI, offsets(&[(key, "garbage")]), "position_malformed"),
        (DEAD_URI, offsets(&[(key, r#"{"_data": "82"}"#)]), "position_malformed"),
        (DEAD_URI, offsets(&[(key, r#"{"_id": 5, "copyingData": true}"#)]), "copying"),
        (DEAD_URI, offsets(&[(key, token)]), "mongodb_unreachable"),
        (DEAD_URI, Answer::Html, "offsets_unreadable"),
        (
            DEAD_URI,
            Answer::Status(404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            "offsets_unsupported",
        ),
    ] {
        let fake = FakeConnect::start(listing("orders", uri), stored).await;
        let run = status(&fake.url).await;
        assert_eq!(run.code, 3, "{why}: {run:?}");
        let (verdict, sentence) = (format!("unknown ({why})"), format!("unknown, {why}: "));
        assert!(run.stdout.contains(&verdict) && run.stdout.contains(&sentence), "{why}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_rest_cannot_address_are_said_to_be_so() {
    for name in [".", "..", "a/b", "100%"] {
        let fake =
            FakeConnect::start(listing(name, DEAD_URI), Answer::Status(400, "<html>Bad Request</html>"))
                .await;
        let run = status(&fake.url).await;
        assert!(run.stdout.contains("unknown (name_unaddressable)"), "{name}: {run:?}");
    }
}

/// A cluster that dies keeps its connectors, as unknown; a connector that is deleted is gone at the next pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_cluster_blanks_nothing_and_a_deleted_connector_leaves_nothing() {
    use resumeguard::{clock::Clock, config, daemon::Watch};
    use resumeguard_core::domain::{Verdict, Why};
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let well = FakeConnect::start(listing("well", DEAD_URI), offsets(&[])).await;
    let ill = FakeConnect::start(listing("ill", DEAD_URI), offsets(&[])).await;
    let sources = config::Sources { connect: vec![well.url.clone(), ill.url.clone()], ..Default::default() };
    let (_, config) = config::load(&sources).unwrap();
    let mut watch = Watch::new(&config, Clock::start()).unwrap();
    assert_eq!(watch.pass().await.connectors.len(), 2);
    ill.answer_listing_with(Answer::Status(409, "{}"));
    let snapshot = watch.pass().await;
    let verdict = |name: &str| snapshot.connectors.iter().find(|c| c.id.connector == name).unwrap().verdict;
    assert_eq!(verdict("ill"), Verdict::Unknown(Why::ConnectUnreadable));
    assert_eq!(verdict("well"), Verdict::Unknown(Why::NoPosition));
    well.answer_listing_with(Answer::Json("{}".into()));
    let snapshot = watch.pass().await;
    let page = String::from_utf8(watch.render(&snapshot).subjects.to_vec()).unwrap();
    assert!(!page.contains("connector=\"well\""), "{page}");
    assert!(page.contains("connector=\"ill\""), "{page}");
    assert!(!page.contains("connector_state{"), "its state is not known: {page}");
    assert_eq!(well.listings.load(std::sync::atomic::Ordering::SeqCst), 3, "one listing call a pass");
}

/// `gate` never says go when it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn gate_is_3_for_the_unknown_and_2_for_what_would_not_resume() {
    let key = "mongodb://127.0.0.1:9/db.c";
    let token = r#"{"_data": "826B03B3E1000000012B0229296E04"}"#;
    for (stored, code, first) in [
        (offsets(&[(key, token)]), 3, "unknown: "),
        (offsets(&[]), 2, "skips: "),
        (offsets(&[(key, "garbage")]), 2, "fails: "),
    ] {
        let fake = FakeConnect::start(listing("orders", DEAD_URI), stored).await;
        let url = fake.url.clone();
        let gate = move |glob: &'static str| {
            let line = resumeguard(&["gate", "--connector", glob, "--connect", &url]);
            line.env("RESUMEGUARD__POLL__INTERVAL", "2s").run()
        };
        let (asked, nobody) = tokio::task::spawn_blocking(move || (gate("ord*"), gate("x*"))).await.unwrap();
        assert_eq!(asked.code, code, "{asked:?}");
        assert!(asked.stdout.starts_with(first), "{asked:?}");
        assert_eq!(
            (nobody.code, nobody.stdout.as_str()),
            (3, "unknown: no MongoDB source connector matches\n")
        );
    }
}
