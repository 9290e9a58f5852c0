//! What must not be told: every secret that a test configures, and every resume token, in whatever the program says. Those
//! who start it in a test ask here; `tests/it/tidy.rs` sees that they do.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use toml::Value;

/// Shorter ones stand in texts by chance.
const SHORTEST: usize = 6;
/// Whatever anybody may ask for.
const PAGES: [&str; 23] = [
    "/",
    "/?q=a&verdict=lost",
    "/login?to=/",
    "/recovery",
    "/recovery/freeze",
    "/findings",
    "/findings/RG001",
    "/runbooks",
    "/metrics",
    "/healthz",
    "/readyz",
    "/nonsense",
    "/api/v1/status",
    "/api/v1/connectors?limit=500",
    "/api/v1/oplogs",
    "/api/v1/sources",
    "/api/v1/findings?limit=500",
    "/api/v1/events?limit=500",
    "/api/v1/history?since=30d",
    "/api/v1/recovery",
    "/api/v1/recovery/plans",
    "/api/v1/recovery/attempts?limit=500",
    "/api/v1/openapi.json",
];

/// Every secret that is known of one run of the program.
#[derive(Debug, Default)]
pub(crate) struct Leaks {
    secrets: BTreeSet<String>,
    /// Kafka Connect, where its connectors' configurations can be read.
    connects: BTreeSet<String>,
    /// By these somebody is known who may do everything.
    bearers: BTreeSet<String>,
}

impl Leaks {
    /// Those of a configuration, and of the files that it names.
    pub(crate) fn of_config(text: &str) -> Self {
        let mut leaks = Self::default();
        if let Ok(config) = text.parse::<toml::Table>() {
            leaks.walk("", &Value::Table(config));
        }
        leaks
    }

    /// Those of a file, which may be none.
    pub(crate) fn of_file(path: &Path) -> Self {
        std::fs::read_to_string(path).map_or_else(|_| Self::default(), |text| Self::of_config(&text))
    }

    /// One more key, as a variable of the environment or a flag gives it.
    pub(crate) fn key(&mut self, key: &str, value: &str) {
        self.take(&key.to_ascii_lowercase(), value);
    }

    /// A Kafka Connect whose connectors have secrets as well.
    pub(crate) fn connect(&mut self, url: &str) {
        self.connects.insert(url.to_owned());
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.secrets.extend(other.secrets);
        self.connects.extend(other.connects);
        self.bearers.extend(other.bearers);
        self
    }

    fn walk(&mut self, key: &str, value: &Value) {
        match value {
            Value::Table(table) => table.iter().for_each(|(key, value)| self.walk(key, value)),
            Value::Array(items) => items.iter().for_each(|item| self.walk(key, item)),
            Value::String(text) => self.take(key, text),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        let secret = |key: &str| {
            ["password", "token", "password_hash", "secret"].iter().any(|name| key.ends_with(name))
        };
        if key.ends_with("url") {
            self.connect(value);
        } else if let Some(named) = key.strip_suffix("_file") {
            let text = std::fs::read_to_string(value).unwrap_or_default();
            let lines =
                text.lines().filter(|_| secret(named) || named.ends_with("uri") || named.ends_with("users"));
            for line in lines {
                // A file of users holds a hash after each name.
                let hash = line.split(':').nth(1).filter(|_| named.ends_with("users"));
                self.take(if named.ends_with("uri") { "uri" } else { "password" }, hash.unwrap_or(line));
            }
        } else if secret(key) {
            if key == "token" || key.ends_with("http__token") {
                self.bearers.insert(value.to_owned());
            }
            self.add(value);
        } else if key.ends_with("uri") {
            password_in(value).into_iter().for_each(|password| self.add(password));
        }
    }

    /// One that is too short to be searched for must not be configured where something is started.
    fn add(&mut self, secret: &str) {
        assert!(
            secret.len() >= SHORTEST || secret.is_empty(),
            "choose a longer secret than {secret:?}: it could not be searched for"
        );
        if !secret.is_empty() {
            self.secrets.insert(secret.to_owned());
        }
    }

    /// What the connectors' own configurations hold at the moment.
    fn ask_connects(&mut self) {
        for url in self.connects.clone() {
            let Some(address) = url.strip_prefix("http://") else { continue };
            let answer = get(address.trim_end_matches('/'), "/connectors?expand=info").unwrap_or_default();
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let listing: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            for connector in listing.as_object().into_iter().flat_map(serde_json::Map::values) {
                for (key, value) in connector["info"]["config"].as_object().into_iter().flatten() {
                    let value = value.as_str().unwrap_or_default();
                    if key == "connection.uri" {
                        password_in(value).into_iter().for_each(|password| self.add(password));
                    }
                }
            }
        }
    }

    /// Looks for them in what was said.
    #[track_caller]
    pub(crate) fn none_in(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{what} tells the secret {secret:?}: {}",
                around(text, secret)
            );
        }
    }

    /// The same, and for resume tokens: they hold document keys.
    #[track_caller]
    pub(crate) fn nor_tokens_in(&self, what: &str, text: &str) {
        self.none_in(what, text);
        for word in text
            .split(|c: char| !c.is_ascii_hexdigit())
            .filter(|word| word.len() >= 30 && word.starts_with("82"))
        {
            assert!(
                mongodb_resume_token::decode(word).is_err(),
                "{what} tells a token: {}",
                around(text, word)
            );
        }
    }

    /// Looks at everything that a running daemon tells anybody, and at what it has logged.
    #[track_caller]
    pub(crate) fn sweep(&mut self, address: &str, log: &str) {
        self.ask_connects();
        let pages = PAGES.map(str::to_owned).into_iter().chain(pages_of(address));
        for page in pages {
            if let Some(answer) = get(address, &page) {
                self.nor_tokens_in(&page, &answer);
            }
            // Whoever may do everything sees tokens of streams, and no secret either.
            for token in &self.bearers {
                if let Some(answer) = get_as(address, &page, Some(token)) {
                    self.none_in(&page, &answer);
                }
            }
        }
        self.nor_tokens_in("the log", log);
    }
}

/// The password of a connection string, as it is written and as it is meant.
fn password_in(uri: &str) -> Option<&str> {
    let (user, _) = uri.split_once("://")?.1.split_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

fn around<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines().find(|line| line.contains(found)).unwrap_or(text)
}

/// Pages of what the daemon knows at the moment: of connectors, plans and attempts.
fn pages_of(address: &str) -> Vec<String> {
    let told = |path: &str| -> serde_json::Value {
        let answer = get(address, path).unwrap_or_default();
        serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)).unwrap_or_default()
    };
    let encoded = |text: &serde_json::Value| {
        let text = text.as_str().unwrap_or_default();
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let mut pages = Vec::new();
    for one in told("/api/v1/status")["connectors"].as_array().into_iter().flatten().take(20) {
        let (cluster, name) = (encoded(&one["connect_cluster"]), encoded(&one["connector"]));
        pages.push(format!("/connectors?connect_cluster={cluster}&connector={name}"));
        pages.push(format!("/api/v1/connectors/{cluster}/{name}"));
        if !one["plan"].is_null() {
            pages.push(format!("/recovery/plans/{}", encoded(&one["plan"]["id"])));
            pages.push(format!("/recovery/approve?plan={}", encoded(&one["plan"]["id"])));
        }
    }
    for one in told("/api/v1/recovery/attempts")["items"].as_array().into_iter().flatten().take(20) {
        pages.push(format!("/recovery/attempts/{}", encoded(&one["attempt"])));
        pages.push(format!("/api/v1/recovery/attempts/{}", encoded(&one["attempt"])));
    }
    pages
}

fn get(address: &str, path: &str) -> Option<String> {
    get_as(address, path, None)
}

/// Without a runtime: it is asked for in `drop`. `None` where nobody answers.
fn get_as(address: &str, path: &str, bearer: Option<&str>) -> Option<String> {
    let patience = Some(Duration::from_secs(5));
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(patience).ok()?;
    stream.set_write_timeout(patience).ok()?;
    let known = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let accept = if path.starts_with("/api/") { "application/json" } else { "text/html" };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n{known}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // What came before it took too long counts as well.
    stream.take(64 << 20).read_to_end(&mut answer).ok();
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_leak_is_found_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("uri");
    std::fs::write(&file, "mongodb://u:from-file@h/\n").unwrap();
    let config = format!(
        "[connect.a]\nurl = \"http://127.0.0.1:9\"\npassword = \"connect-pw\"\n[mongodb.a]\nuri = \"mongodb://u:inline-pw@h/\"\n[mongodb.b]\nuri_file = {file:?}\n[http]\ntoken = \"0123456789abcdef\"\n[http.users.ada]\npassword_hash = \"$2b$04$abc\"\n"
    );
    let mut leaks = Leaks::of_config(&config);
    leaks.key("RESUMEGUARD__CONNECT__B__PASSWORD", "from-environment");
    let found = |text: &str| std::panic::catch_unwind(|| leaks.nor_tokens_in("it", text)).is_err();
    for secret in
        ["connect-pw", "inline-pw", "from-file", "0123456789abcdef", "$2b$04$abc", "from-environment"]
    {
        assert!(found(&format!("x{secret}y")), "{secret}");
    }
    assert!(found("{\"_data\": \"826B03B3E1000000012B0229296E04\"}"), "a token");
    assert!(!found("nothing of the kind: http://127.0.0.1:9 823456"));
}
