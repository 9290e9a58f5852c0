//! Who is let in: by nothing, tokens, passwords and certificates, in every mode of recovery; and files that change.

use super::Served;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const TOKEN: &str = "0123456789abcdef";
const VERBS: [&str; 7] = ["freeze", "unfreeze", "approve", "discard", "run", "restore", "acknowledge"];

/// An authority of our own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut asked = CertificateParams::default();
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        asked.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(asked, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.pem().as_bytes()).unwrap()
    }

    /// Certificate and key, PEM.
    fn signs(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut asked =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), format!("{name}.example")]).unwrap();
        asked.distinguished_name.push(DnType::CommonName, name);
        asked.extended_key_usages = vec![usage];
        (asked.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a server's files, and the keys of the configuration that name them.
    fn serves_in(&self, folder: &Path) -> String {
        let (cert, key) = self.signs("daemon", ExtendedKeyUsagePurpose::ServerAuth);
        std::fs::write(folder.join("cert"), cert).unwrap();
        std::fs::write(folder.join("key"), key).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        format!("tls_cert_file = {:?}\ntls_key_file = {:?}\n", path("cert"), path("key"))
    }

    fn trusted(&self) -> reqwest::ClientBuilder {
        // A connection of its own each time: certificates are looked at when one begins.
        Client::builder().tls_certs_only([self.certificate()]).pool_max_idle_per_host(0)
    }

    fn client_of(&self, signer: &Self, name: &str) -> Client {
        let (cert, key) = signer.signs(name, ExtendedKeyUsagePurpose::ClientAuth);
        self.trusted().identity(Identity::from_pem((cert + &key).as_bytes()).unwrap()).build().unwrap()
    }
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

/// Status, body and challenges of an answer.
async fn told(request: reqwest::RequestBuilder) -> (u16, Value, Vec<String>) {
    let answer = request.send().await.unwrap();
    let ways = answer.headers().get_all("www-authenticate").iter();
    let ways = ways.map(|way| way.to_str().unwrap().to_owned()).collect();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default(), ways)
}

/// Whether it was refused as expected; too many wrong ones are turned away before they are looked at.
fn as_wanted(status: u16, wanted: u16) -> bool {
    status == wanted || status == 429 && wanted == 401
}

/// In `off`, `plan`, `approve` and `auto`, with every way to be known and with none: who is not known changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn unauthenticated_changes_are_refused_in_every_mode() {
    let user = format!("[http.users.ada]\npassword_hash = \"{}\"\nrights = \"change\"\n", hash("difference"));
    for mode in ["off", "plan", "approve", "auto"] {
        for (http, status) in [
            (String::new(), 403),
            (format!("token = \"{TOKEN}\""), 401),
            (user.clone(), 401),
            (format!("read = \"authenticated\"\n{user}"), 401),
        ] {
            let served = Served::start(&http, &format!("mode = \"{mode}\"")).await;
            let client = Client::new();
            let entries = served.desk.ledger();
            for verb in VERBS {
                let url = served.url(&format!("/api/v1/recovery/{verb}"));
                let body = json!({ "reason": "x", "plan": "p", "connector": "c", "attempt": "a" });
                let request = || client.post(&url).json(&body);
                for request in [
                    request(),
                    request().bearer_auth("0123456789abcdeF"),
                    request().bearer_auth(""),
                    request().basic_auth("ada", Some("differences")),
                    request().header("authorization", "Basic !"),
                    request().header("x-forwarded-user", "ada"),
                    client.post(&url),
                    client.put(&url).json(&body),
                    client.delete(&url),
                ] {
                    let (told, problem, _) = told(request).await;
                    // Too many wrong ones are turned away before they are looked at.
                    assert!(
                        told == status || told == 429 && status == 401,
                        "{mode} {verb}: {told} {problem}"
                    );
                }
            }
            assert_eq!(*served.desk.ledger(), *entries, "{mode}: nothing was written down");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_is_open_or_needs_credentials_and_rights_are_separate() {
    let users = format!(
        "[http.users.ada]\npassword_hash = \"{}\"\nrights = \"change\"\n[http.users.bob]\npassword_hash = \"{}\"\n",
        hash("difference"),
        hash("builder-pw")
    );
    let served =
        Served::start(&format!("read = \"authenticated\"\nread_token = \"{TOKEN}\"\n{users}"), "").await;
    let client = Client::new();
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/stream", "/api/v1/openapi.json", "/nonsense"] {
        let (status, problem, ways) = told(client.get(served.url(path))).await;
        assert_eq!(status, 401, "{path}: {problem}");
        assert_eq!(ways, ["Bearer realm=\"resumeguard\"", "Basic realm=\"resumeguard\", charset=\"UTF-8\""]);
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(client.get(served.url(path)).send().await.unwrap().status().as_u16(), 200, "{path}");
    }
    let (page, change) = (served.url("/metrics"), served.url("/api/v1/recovery/freeze"));
    let body = json!({ "reason": "rain" });
    let own = format!("http://{}", served.address());
    for (who, password, reads, changes) in [
        (None, TOKEN, 200, 403),
        (Some("bob"), "builder-pw", 200, 403),
        (Some("ada"), "difference", 200, 200),
        (Some("ada"), "builder-pw", 401, 401),
        (Some("eve"), "difference", 401, 401),
        (Some("ada"), "", 401, 401),
    ] {
        let with = |request: reqwest::RequestBuilder| match who {
            None => request.bearer_auth(password),
            Some(name) => request.basic_auth(name, Some(password)),
        };
        let status = with(client.get(&page)).send().await.unwrap().status().as_u16();
        assert!(as_wanted(status, reads), "{who:?}: {status}");
        let (status, problem, _) = told(with(client.post(&change).json(&body))).await;
        assert!(as_wanted(status, changes), "{who:?}: {problem}");
        // A browser would send the password along for a page of anybody's.
        let foreign = with(client.post(&change).json(&body)).header("origin", "https://evil.example");
        let (status, problem, _) = told(foreign).await;
        assert!(as_wanted(status, if changes == 401 { 401 } else { 403 }), "{who:?}: {problem}");
        let same = with(client.post(&change).json(&body)).header("origin", &own);
        assert!(as_wanted(told(same).await.0, changes), "{who:?}");
    }
    let (by, _) = served.desk.ledger().frozen.clone().unwrap();
    assert_eq!(by.to_string(), "ada");
}

/// A scrape does not cost a bcrypt each time; guesses do, and there are soon too many of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_compared_once_and_guessing_ends_soon() {
    let hash = bcrypt::hash("difference", 11).unwrap();
    let served = Served::start(&format!("read = \"authenticated\"\nrequests_per_second = 0\n[http.users.ada]\npassword_hash = \"{hash}\"\n"), "").await;
    let client = Client::new();
    let scrape =
        |password: &'static str| client.get(served.url("/metrics")).basic_auth("ada", Some(password)).send();
    let begun = xtask::Stopwatch::start();
    assert_eq!(scrape("difference").await.unwrap().status().as_u16(), 200);
    let first = begun.elapsed();
    let begun = xtask::Stopwatch::start();
    for _scrape in 0..50 {
        assert_eq!(scrape("difference").await.unwrap().status().as_u16(), 200);
    }
    let fifty = begun.elapsed();
    println!("the first scrape took {first:?}, the next fifty {fifty:?}");
    assert!(fifty < first * 25, "{first:?} {fifty:?}");
    // What is wrong counts faster than it is forgiven, however slow the machine.
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 100 {
        statuses.push(scrape("indifference").await.unwrap().status().as_u16());
    }
    assert!(statuses.starts_with(&[401; 10]) && statuses.last() == Some(&429), "{statuses:?}");
    // Whoever is known already goes on, from the same address.
    assert_eq!(scrape("difference").await.unwrap().status().as_u16(), 200);
}

/// A page that looks again by itself is told that its password has changed; the browser asks for no new one until somebody loads it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_brings_up_no_prompt() {
    let http =
        format!("read = \"authenticated\"\n[http.users.ada]\npassword_hash = \"{}\"\n", hash("difference"));
    let served = Served::start(&http, "").await;
    let asked = async |path: &str, header: (&str, &str), shows: bool| {
        let request = Client::new().get(served.url(path)).header(header.0, header.1);
        let request = if shows { request.basic_auth("ada", Some("engine")) } else { request };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401, "{path}");
        answer.headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    let page = ("x-requested-with", "resumeguard");
    let stream = ("accept", "text/event-stream");
    for (path, header, shows, challenge) in [
        ("/", page, true, "Page "),
        ("/api/v1/stream", stream, true, "Page "),
        // Browsers answer this one with what they know already.
        ("/", page, false, "Basic "),
        ("/api/v1/stream", stream, false, "Basic "),
        ("/", ("accept", "text/html"), true, "Basic "),
        ("/metrics", ("accept", "text/plain"), true, "Basic "),
    ] {
        let said = asked(path, header, shows).await;
        assert!(said.starts_with(challenge), "{path}, {header:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_open_or_are_one_of_several_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, people, strangers) =
        (Authority::new("servers"), Authority::new("people"), Authority::new("strangers"));
    let tls = servers.serves_in(folder.path());
    std::fs::write(folder.path().join("ca"), people.pem()).unwrap();
    let ca = format!("client_ca_file = \"{}\"\n", folder.path().join("ca").display());
    let ada = "[http.users.ada]\ncertificate = \"ada.example\"\nrights = \"change\"\n";
    let body = json!({ "reason": "rain" });

    let served = Served::start(&format!("{tls}{ca}{ada}"), "").await;
    let (page, change) = (served.url("/metrics"), served.url("/api/v1/recovery/freeze"));
    assert!(servers.trusted().build().unwrap().get(&page).send().await.is_err(), "nobody without one");
    assert!(
        servers.client_of(&strangers, "ada").get(&page).send().await.is_err(),
        "nobody of another authority"
    );
    let (ada_client, bob) = (servers.client_of(&people, "ada"), servers.client_of(&people, "bob"));
    for (client, changes) in [(&bob, 403), (&ada_client, 200)] {
        assert_eq!(client.get(&page).send().await.unwrap().status().as_u16(), 200);
        let foreign = client.post(&change).json(&body).header("origin", "https://evil.example");
        assert_eq!(told(foreign).await.0, 403);
        let (status, problem, _) = told(client.post(&change).json(&body)).await;
        assert_eq!(status, changes, "{problem}");
    }
    assert_eq!(served.desk.ledger().frozen.clone().unwrap().0.to_string(), "ada");
    // Plain HTTP is not answered.
    let plain = reqwest::get(page.replace("https://", "http://")).await;
    assert!(plain.is_err(), "{plain:?}");

    let optional = format!("{tls}{ca}client_certificates = \"optional\"\nread = \"authenticated\"\n{ada}");
    let served = Served::start(&optional, "").await;
    let (page, change) = (served.url("/metrics"), served.url("/api/v1/recovery/freeze"));
    let (status, problem, ways) = told(servers.trusted().build().unwrap().get(&page)).await;
    assert_eq!(
        (status, ways.as_slice()),
        (401, &["Certificate realm=\"resumeguard\"".to_owned()][..]),
        "{problem}"
    );
    assert_eq!(bob.get(&page).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(told(ada_client.post(&change).json(&body)).await.0, 200);
}

/// Asks until the answer is as wanted; files are looked at every second.
async fn until(what: &str, mut wanted: impl AsyncFnMut() -> bool) {
    for _attempt in 0..200 {
        if wanted().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_files_may_change_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let tls = old.serves_in(folder.path());
    std::fs::write(path("users"), format!("ada:{}:change\n", hash("difference"))).unwrap();
    std::fs::write(path("token"), format!("{TOKEN}\n")).unwrap();
    let http = format!(
        "{tls}read = \"authenticated\"\nusers_file = {:?}\ntoken_file = {:?}",
        path("users"),
        path("token")
    );
    let served = Served::start(&http, "").await;
    let page = served.url("/metrics");
    let (by_old, by_new) = (old.trusted().build().unwrap(), new.trusted().build().unwrap());
    let status = async |request: reqwest::RequestBuilder| {
        request.send().await.map_or(0, |answer| answer.status().as_u16())
    };
    let as_ada =
        |client: &Client, password: &'static str| client.get(&page).basic_auth("ada", Some(password));
    assert_eq!(status(as_ada(&by_old, "difference")).await, 200);
    assert_eq!(status(by_old.get(&page).bearer_auth(TOKEN)).await, 200);

    std::fs::write(path("users"), format!("ada:{}:change\n", hash("engine-pw"))).unwrap();
    until("the new password", async || status(as_ada(&by_old, "engine-pw")).await == 200).await;
    assert!(
        as_wanted(status(as_ada(&by_old, "difference")).await, 401),
        "a remembered password is forgotten"
    );
    std::fs::write(path("token"), "fedcba9876543210").unwrap();
    until("the new token", async || status(by_old.get(&page).bearer_auth("fedcba9876543210")).await == 200)
        .await;
    assert!(as_wanted(status(by_old.get(&page).bearer_auth(TOKEN)).await, 401));

    // A file that is in the middle of being written, or wrong, changes nothing.
    std::fs::write(path("users"), "ada:nonsense\n").unwrap();
    std::fs::write(path("cert"), "-----BEGIN CERT").unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // Wrong ones before may have to be waited for.
    until("what was before", async || status(as_ada(&by_old, "engine-pw")).await == 200).await;

    assert_eq!(status(as_ada(&by_new, "engine-pw")).await, 0, "not trusted yet");
    new.serves_in(folder.path());
    until("the new certificate", async || status(as_ada(&by_new, "engine-pw")).await == 200).await;
    assert_eq!(status(as_ada(&by_old, "engine-pw")).await, 0);
}

#[track_caller]
fn refused(http: &str, folder: &Path, expected: &str) {
    let error = crate::config::load_with(&format!("[http]\n{http}"), &[]).map(drop).expect_err(http);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(error.replace(&folder.display().to_string(), "DIR"), expected, "{http}");
}

#[test]
fn what_contradicts_itself_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let tls = Authority::new("servers").serves_in(at);
    let file = |name: &str| format!("{:?}", at.join(name).display().to_string());
    refused(
        "tls_cert_file = \"x\"",
        at,
        "http.tls_cert_file: needs http.tls_key_file, the key of that certificate",
    );
    refused(
        "tls_key_file = \"x\"",
        at,
        "http.tls_key_file: needs http.tls_cert_file, the certificate of that key",
    );
    refused(
        "client_ca_file = \"x\"",
        at,
        "http.client_ca_file: clients show certificates by TLS only: needs http.tls_cert_file and http.tls_key_file",
    );
    let needs = "needs http.client_ca_file, which says whose certificates count";
    refused(
        &format!("{tls}client_certificates = \"required\""),
        at,
        &format!("http.client_certificates: {needs}"),
    );
    refused(
        &format!("{tls}client_ca_file = {}\nclient_certificates = \"always\"", file("cert")),
        at,
        "http.client_certificates: `always` is neither \"required\" nor \"optional\"",
    );
    refused(
        &format!("{tls}[http.users.ada]\ncertificate = \"ada\""),
        at,
        &format!("http.users.ada.certificate: {needs}"),
    );
    std::fs::write(at.join("nonsense"), "nonsense").unwrap();
    refused(
        &format!("{tls}client_ca_file = {}", file("nonsense")),
        at,
        "http.client_ca_file: DIR/nonsense: holds no certificate in PEM",
    );
    let (_, other) = Authority::new("x").signs("x", ExtendedKeyUsagePurpose::ServerAuth);
    std::fs::write(at.join("key"), other).unwrap();
    let error = crate::config::load_with(&format!("[http]\n{tls}"), &[]).map(drop).unwrap_err();
    assert!(error.contains("/key is not the key of") && error.lines().count() == 1, "{error}");
}

#[test]
fn users_and_tokens_that_could_not_count_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let file = |name: &str| format!("{:?}", at.join(name).display().to_string());
    refused("[http.users.ada]", at, "http.users.ada: needs password_hash or certificate");
    refused(
        "[http.users.ada]\npassword_hash = \"secret\"",
        at,
        "http.users.ada.password_hash: is no bcrypt hash; `htpasswd -nB NAME` makes one",
    );
    refused(
        &format!("[http.users.ada]\npassword_hash = \"{}\"\nrights = \"root\"", hash("x")),
        at,
        "http.users.ada.rights: `root` is none of \"read\", \"tokens\", \"change\"",
    );
    refused("read = \"closed\"", at, "http.read: `closed` is neither \"open\" nor \"authenticated\"");
    refused(
        "read = \"authenticated\"",
        at,
        "http.read: nobody could read; set http.read_token_file, http.users_file, [http.users.NAME] or http.client_ca_file",
    );
    refused(
        &format!("read_token = \"{TOKEN}\""),
        at,
        "http.read_token: reading is open to whoever can connect; set http.read = \"authenticated\", or leave the token out",
    );
    refused(
        &format!("read = \"authenticated\"\ntoken = \"{TOKEN}\"\nread_token = \"{TOKEN}\""),
        at,
        "http.read_token: is the same as http.token, which may change",
    );
    refused(
        "token = \"short\"",
        at,
        "http.token: must have at least 16 characters, letters and digits; `openssl rand -hex 32` makes one",
    );
    refused(
        &format!("token = \"{TOKEN}\"\ntoken_file = \"x\""),
        at,
        "http.token: given twice: keep either the value or the _file",
    );
    refused(
        &format!("token_file = {}", file("none")),
        at,
        "http.token_file: DIR/none: No such file or directory (os error 2)",
    );
    refused("max_connections = 1", at, "http.max_connections: must be from 8 to 65536");
}

/// A page that has given its own name our address (DNS rebinding) reads and changes nothing; scrapes and probes go by any name.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_asks_by_a_name_of_ours_is_answered() {
    let served = Served::start(
        &format!("hosts = [\"guard.example\"]\ntoken = \"{TOKEN}\"\nrequests_per_second = 0"),
        "",
    )
    .await;
    let client = Client::new();
    let ask = |path: &str, host: &str| client.get(served.url(path)).header("host", host);
    for (path, host, status) in [
        ("/", "evil.example", 421),
        ("/api/v1/status", "evil.example:9286", 421),
        ("/api/v1/stream", "rebound.evil.example", 421),
        ("/assets/nothing", "evil.example", 421),
        ("/", "guard.example", 200),
        ("/api/v1/status", "GUARD.example:443", 200),
        ("/", "localhost:9286", 200),
        ("/", "192.0.2.7", 200),
        ("/metrics", "evil.example", 200),
        ("/healthz", "evil.example", 200),
        ("/readyz", "resumeguard", 200),
    ] {
        let answer = ask(path, host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path} of {host}");
    }
    let (_, problem, _) = told(ask("/api/v1/status", "my.guard.example")).await;
    assert_eq!(
        problem["detail"],
        "refused: this daemon is not known by that name; if it is its own, set http.hosts = [\"my.guard.example\"]"
    );
    let page = ask("/", "evil.example").header("accept", "text/html").send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Not by this name"));
    // The browser calls it the same origin, and it is none.
    let url = served.url("/api/v1/recovery/freeze");
    let post = |host: &str| {
        let request =
            client.post(&url).bearer_auth(TOKEN).json(&json!({ "reason": "x" })).header("host", host);
        request.header("origin", format!("http://{host}")).header("sec-fetch-site", "same-origin")
    };
    assert_eq!(told(post("evil.example")).await.0, 421);
    assert_eq!(served.desk.ledger().frozen, None);
    assert_eq!(told(post("guard.example")).await.0, 200);
}

#[test]
fn a_name_is_no_address() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "https://guard.example", "guard.example:443", "a b"] {
        let says = format!(
            "http.hosts: `{name}` is no name; write it without scheme and port, as \"resumeguard.example\""
        );
        refused(&format!("hosts = [\"{name}\"]"), folder.path(), &says);
    }
}
