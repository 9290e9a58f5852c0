//! Who we are towards Connect and MongoDB: what is configured, what is sent, and what is rotated.

use crate::cli::resumeguard;
use crate::config::load_with;
use crate::fake_connect::{Answer, listing};
use axum::Router;
use axum::extract::{Request, State};
use resumeguard::clock::Clock;
use resumeguard::config::{Config, Sources, load};
use resumeguard::daemon::Watch;
use std::path::Path;
use std::sync::{Arc, Mutex};

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = load_with(text, &[]).map(drop).expect_err(text);
    assert!(error.starts_with(expected) && error.lines().count() == 1, "{error}\n{expected}");
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = written(folder.path(), "cert.pem", "-----BEGIN CERTIFICATE-----\n");
    let encrypted = written(
        folder.path(),
        "locked.pem",
        "-----BEGIN CERTIFICATE-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    );
    let empty = written(folder.path(), "empty", "\n");
    let connect = |rest: &str| format!("[connect.a]\nurl = \"https://h\"\n{rest}");
    for (text, expected) in [
        (connect("username = 'u'\npassword = 'p'\ntoken = 't'"), "connect.a.token: given beside username"),
        (connect("token = 't'\ntoken_file = '/x'"), "connect.a.token: given twice"),
        (connect("token = 'a b'"), "connect.a.token: must be one word"),
        (connect(&format!("token_file = '{empty}'")), "connect.a.token_file: "),
        (connect("client_key_file = '/x'"), "connect.a.client_key_file: needs client_cert_file"),
        (connect("ca_file = '/nonexistent'"), "connect.a.ca_file: /nonexistent: No such file"),
        (connect(&format!("ca_file = '{empty}'")), "connect.a.ca_file: "),
        (
            connect(&format!("client_cert_file = '{certificate}'")),
            "connect.a.client_cert_file: holds no private key",
        ),
        (
            connect(&format!("client_cert_file = '{encrypted}'")),
            "connect.a.client_cert_file: its key is encrypted",
        ),
        (
            "[connect.a]\nurl = 'http://h'\nca_file = '/x'".to_owned(),
            "connect.a.ca_file: needs a url with https://",
        ),
        ("[mongodb.a]\nuri = 'mongodb://h'\nusername = 'u'".to_owned(), "mongodb.a.username: needs password"),
        ("[mongodb.a]\nuri = 'mongodb://h'\npassword = 'p'".to_owned(), "mongodb.a.password: needs username"),
        (
            "[mongodb.a]\nuri = 'mongodb://x:y@h'\nusername = 'u'\npassword = 'p'".to_owned(),
            "mongodb.a: the user is given twice: in the uri and beside it",
        ),
        (
            format!("[mongodb.a]\nuri = 'mongodb://h/?tlsCAFile=/x'\nca_file = '{certificate}'"),
            "mongodb.a: tlsCAFile is given twice",
        ),
        (
            "[mongodb.a]\nuri = 'mongodb://h'\n[mongodb.a.shards.s1]\nusername = 'u'\n".to_owned(),
            "mongodb.a.shards.s1: needs uri or uri_file",
        ),
        (
            "[mongodb.a]\nuri = 'mongodb://h'\nretention = '1s'".to_owned(),
            "mongodb.a.retention: 1s is not between",
        ),
    ] {
        refused(&text, expected);
    }
}

/// A service manager tries 69 again, and not 78: whoever writes a secret may come after us.
#[test]
fn a_secret_that_is_not_there_yet_is_another_status_than_a_configuration_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let empty = written(folder.path(), "empty", "\n");
    let nonsense = written(folder.path(), "nonsense", "hunter2\n");
    let absent = folder.path().join("absent").display().to_string();
    let connect = |rest: String| format!("[connect.a]\nurl = \"https://h\"\n{rest}");
    let kafka = |rest: String| {
        connect(format!("kafka_bootstrap_servers = 'h:1'\n[connect.a.kafka]\nusername = 'u'\n{rest}"))
    };
    for (text, code) in [
        (connect(format!("token_file = '{absent}'")), 69),
        (connect(format!("token_file = '{empty}'")), 69),
        (connect(format!("username = 'u'\npassword_file = '{absent}'")), 69),
        (connect(format!("ca_file = '{absent}'")), 69),
        (kafka(format!("password_file = '{absent}'")), 69),
        (kafka(format!("password = 'correct horse'\nca_file = '{absent}'")), 69),
        (kafka(format!("password = 'correct horse'\nkey_file = '{absent}'")), 69),
        (
            kafka(format!(
                "password = 'correct horse'\nsecurity_protocol = 'SASL_SSL'\nca_file = '{nonsense}'"
            )),
            78,
        ),
        (format!("[mongodb.a]\nuri_file = '{absent}'"), 69),
        (format!("[http]\ntoken_file = '{absent}'"), 69),
        (format!("[http]\nread = 'authenticated'\nread_token_file = '{empty}'"), 69),
        (format!("[http]\nusers_file = '{absent}'"), 69),
        (format!("[http]\ntls_cert_file = '{absent}'\ntls_key_file = '{nonsense}'"), 69),
        (format!("[http]\ntls_cert_file = '{nonsense}'\ntls_key_file = '{empty}'"), 69),
        (format!("[http]\ntls_cert_file = '{nonsense}'\ntls_key_file = '{nonsense}'"), 78),
        (format!("[http]\ntoken_file = '{nonsense}'"), 78),
        (format!("[mongodb.a]\nuri = 'mongodb://h'\nclient_cert_file = '{empty}'"), 69),
        (connect(format!("ca_file = '{nonsense}'")), 78),
        (connect(format!("ca_file = '{}'", folder.path().display())), 78),
        (format!("[mongodb.a]\nuri_file = '{nonsense}'"), 78),
    ] {
        let file = written(folder.path(), "resumeguard.toml", &text);
        let run = resumeguard(&["--config", &file, "check-config"]).run();
        assert_eq!((run.code, run.stderr.lines().count()), (code, 1), "{text}\n{run:?}");
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
}

#[test]
fn a_way_into_mongodb_is_put_together_from_its_parts_and_shows_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let password = written(folder.path(), "password", "hunter2/@\n");
    let ca = written(folder.path(), "ca", "-----BEGIN CERTIFICATE-----\n");
    let text = format!(
        "[mongodb.a]\nuri = 'mongodb://h/?replicaSet=rs'\nusername = 'me'\npassword_file = '{password}'\nca_file = '{ca}'"
    );
    let (_, config) = load_with(&text, &[]).unwrap();
    let uri = config.mongodb[0].entrance.uri.expose();
    let start = "mongodb://me:hunter2%2F%40@h/?replicaSet=rs&tls=true&tlsCAFile=%2F";
    assert!(uri.starts_with(start), "{uri}");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("BEGIN"), "{shown}");
}

type Heard = Arc<Mutex<Vec<String>>>;

/// Answers a listing of one connector, and keeps what each listing was asked with.
async fn listening() -> (String, Heard) {
    let heard = Heard::default();
    let Answer::Json(body) = listing("orders", "mongodb://127.0.0.1:9/?replicaSet=rs0") else { panic!() };
    let answer = move |State(heard): State<Heard>, request: Request| async move {
        if request.uri().path() == "/connectors" {
            let header =
                request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            heard.lock().unwrap().push(header.unwrap_or_default());
        }
        ([("content-type", "application/json")], body)
    };
    let router = Router::new().fallback(answer).with_state(Arc::clone(&heard));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, heard)
}

fn configured(text: &str) -> Config {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(&Sources { files: vec![file.path().to_owned()], ..Sources::default() }).unwrap().1
}

#[tokio::test]
async fn a_token_is_sent_rotated_before_the_next_pass_and_kept_while_its_file_cannot_be_used() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let (url, heard) = listening().await;
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "token", "first\n");
    let config = configured(&format!(
        "[connect.main]\nurl = '{url}'\ntoken_file = '{path}'\n[poll]\ninterval = '2s'\n"
    ));
    let mut watch = Watch::new(&config, Clock::start()).unwrap();
    watch.pass().await;
    written(folder.path(), "token", "second");
    watch.pass().await;
    // As while somebody is writing it, and once it is gone.
    written(folder.path(), "token", "");
    watch.pass().await;
    std::fs::remove_file(&path).unwrap();
    watch.pass().await;
    written(folder.path(), "token", "third");
    watch.pass().await;
    let heard = heard.lock().unwrap().clone();
    let expected = ["first", "second", "second", "second", "third"].map(|word| format!("Bearer {word}"));
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_password_is_rotated_too() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let (url, heard) = listening().await;
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "password", "a");
    let text = format!(
        "[connect.main]\nurl = '{url}'\nusername = 'u'\npassword_file = '{path}'\n[poll]\ninterval = '2s'\n"
    );
    let mut watch = Watch::new(&configured(&text), Clock::start()).unwrap();
    watch.pass().await;
    written(folder.path(), "password", "b");
    watch.pass().await;
    // base64 of `u:a` and `u:b`.
    assert_eq!(*heard.lock().unwrap(), ["Basic dTph", "Basic dTpi"]);
}
