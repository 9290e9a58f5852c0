//! What must not be told: every secret that a test configures, and every resume token, in whatever the program says. Those
//! who start it in a test ask here; `tests/it/tidy.rs` sees that they do.

use base64::Engine as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use toml::Value;

#[path = "leaks/asked.rs"]
mod asked;
#[cfg(test)]
#[path = "leaks/planted.rs"]
mod planted;
#[path = "leaks/questions.rs"]
mod questions;

use asked::{Asked, Question};
use questions::{PAGES, decisions, pages_of};

/// Shorter ones stand in texts by chance.
const SHORTEST: usize = 6;
/// So long a daemon that has just begun, or reads something that does not answer, may have nothing to tell.
const READY: Duration = Duration::from_secs(30);
const LOOKS: Duration = Duration::from_millis(100);
/// Nobody has looked where these have not answered.
const TELLING: [&str; 3] = ["/metrics", "/api/v1/status", "/"];
/// Every secret that is known of one run of the program.
#[derive(Debug, Default)]
pub(crate) struct Leaks {
    secrets: BTreeSet<String>,
    /// Kafka Connect, where its connectors' configurations can be read.
    connects: BTreeSet<String>,
    /// By these somebody is known who may do everything.
    bearers: BTreeSet<String>,
    /// Only those who are known may read.
    guarded: bool,
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
        self.guarded |= other.guarded;
        self
    }

    fn walk(&mut self, key: &str, value: &Value) {
        match value {
            Value::Table(table) => {
                for (inner, value) in table {
                    // Values of a client's properties are shown to nobody, whatever they are.
                    let text = value.as_str().filter(|text| key == "properties" && text.len() >= SHORTEST);
                    text.into_iter().for_each(|text| self.add(text));
                    self.walk(inner, value);
                }
                self.login(table);
                if key == "http" {
                    self.may_change(table);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(key, item)),
            Value::String(text) => self.take(key, text),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    /// The token of whoever may do everything: others called so are for others.
    fn may_change(&mut self, http: &toml::Table) {
        let text = |key: &str| http.get(key).and_then(Value::as_str);
        let file = text("token_file").and_then(|file| std::fs::read_to_string(file).ok());
        let file = file.map(|text| text.trim_end().to_owned());
        self.bearers.extend(text("token").map(str::to_owned).or(file));
        self.guarded |= text("read") == Some("authenticated");
    }

    /// Name and password as basic authentication sends them.
    fn login(&mut self, table: &toml::Table) {
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let file =
            || std::fs::read_to_string(text("password_file")?).ok().map(|text| text.trim_end().to_owned());
        if let (Some(user), Some(password)) = (text("username"), text("password").or_else(file)) {
            self.add(&base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}")));
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        if key.ends_with("url") {
            self.connect(value);
        } else if let Some(named) = key.strip_suffix("_file") {
            let text = std::fs::read_to_string(value).unwrap_or_default();
            self.keys_in(&text);
            let lines = text
                .lines()
                .filter(|_| is_secret(named) || named.ends_with("uri") || named.ends_with("users"));
            for line in lines {
                // A file of users holds a hash after each name.
                let hash = line.split(':').nth(1).filter(|_| named.ends_with("users"));
                let key = if named.ends_with("uri") || named.ends_with("token") { named } else { "password" };
                self.take(key, hash.unwrap_or(line));
            }
        } else if is_secret(key) {
            if key.ends_with("http__token") {
                self.bearers.insert(value.to_owned());
            }
            self.add(value);
        } else if key.ends_with("uri") {
            secrets_in(value).iter().for_each(|secret| self.add(secret));
        }
    }

    /// Private keys, by their longest line.
    fn keys_in(&mut self, text: &str) {
        for block in text.split("-----BEGIN ").skip(1).filter(|block| block.contains("PRIVATE KEY-----")) {
            let body = block.lines().skip(1).take_while(|line| !line.starts_with("-----"));
            body.max_by_key(|line| line.len()).into_iter().for_each(|line| self.add(line));
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

    /// What the connectors' own configurations hold at the moment. By TLS as well, with whatever certificate; not with credentials.
    fn ask_connects(&mut self) {
        for url in self.connects.clone() {
            let url = format!("{}/connectors?expand=info", url.trim_end_matches('/'));
            let body = Question::get(url).asked().map(|answer| answer.body).unwrap_or_default();
            let listing: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            for connector in listing.as_object().into_iter().flat_map(serde_json::Map::values) {
                for (key, value) in connector["info"]["config"].as_object().into_iter().flatten() {
                    self.connectors_own(key, value.as_str().unwrap_or_default());
                }
            }
        }
    }

    /// One setting of a connector: its connection string, passwords of its own clients, and what its clients' JAAS holds.
    fn connectors_own(&mut self, key: &str, value: &str) {
        if key == "connection.uri" {
            secrets_in(value).iter().for_each(|secret| self.add(secret));
        } else if key.ends_with("jaas.config") {
            let quoted = value.split("password=\"").skip(1).filter_map(|rest| rest.split('"').next());
            quoted.map(str::to_owned).collect::<Vec<_>>().iter().for_each(|secret| self.add(secret));
        } else if is_secret(&key.to_ascii_lowercase()) && !value.starts_with("${") {
            self.add(value);
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

    /// Looks at everything that a running daemon tells anybody, and at what it has logged: pages, the API, the stream of events, and what it
    /// answers to decisions. None of these is one that it could make. What does not answer has not been looked at: that is an error.
    #[track_caller]
    pub(crate) fn sweep(&mut self, address: &str, log: &str) {
        self.sweep_within(READY, address, log);
    }

    #[track_caller]
    fn sweep_within(&mut self, ready: Duration, address: &str, log: &str) {
        self.ask_connects();
        self.nor_tokens_in("the log", log);
        let origin = asked::origin(address);
        TELLING.iter().for_each(|path| self.tells(ready, &format!("{origin}{path}")));
        let known = pages_of(|path| self.told(&format!("{origin}{path}")));
        let pages = PAGES.map(str::to_owned).into_iter().chain(known);
        let questions: Vec<Question> = pages
            .map(|page| Question::get(format!("{origin}{page}")))
            .chain([Question::stream(format!("{origin}/api/v1/stream"))])
            .chain(decisions(&origin))
            .collect();
        for question in questions {
            let what = question.to_string();
            self.nor_tokens_in(&what, &answered(&question).whole());
            // Whoever may do everything sees tokens of streams, and no secret either.
            for token in &self.bearers {
                self.none_in(&what, &answered(&question.by(token)).whole());
            }
        }
    }

    /// That it does tell something there, to everybody who may read.
    #[track_caller]
    fn tells(&self, ready: Duration, url: &str) {
        let question = Question::get(url.to_owned());
        let stranger = if self.guarded { 401 } else { 200 };
        let known = self.bearers.iter().map(|token| (question.by(token), 200));
        for (question, expected) in std::iter::once((question.clone(), stranger)).chain(known) {
            let mut answer = answered(&question);
            // Before the first pass, and while none ends, nothing is known.
            for _look in 0..ready.as_millis() / LOOKS.as_millis() {
                if answer.status != 503 {
                    break;
                }
                std::thread::sleep(LOOKS);
                answer = answered(&question);
            }
            let (status, body) = (answer.status, &answer.body);
            assert!(
                status == expected && !body.trim().is_empty(),
                "{question} was to be looked at: {status}, not {expected}: {body}"
            );
        }
    }

    /// What it answers to whoever may do the most.
    fn told(&self, url: &str) -> serde_json::Value {
        let question = Question::get(url.to_owned());
        let question = self.bearers.first().map_or(question.clone(), |token| question.by(token));
        serde_json::from_str(&answered(&question).body).unwrap_or_default()
    }
}

#[track_caller]
fn answered(question: &Question) -> Asked {
    question.asked().unwrap_or_else(|| panic!("{question} was not answered: what it tells was not looked at"))
}

/// Whether a key's value is a secret, by its name.
fn is_secret(key: &str) -> bool {
    ["password", "token", "password_hash", "secret", "passphrase", "credential"]
        .iter()
        .any(|name| key.ends_with(name))
}

/// Passwords of a connection string, as they are written and as they are meant: the user's, and those of its options.
fn secrets_in(uri: &str) -> Vec<String> {
    let Some((_, rest)) = uri.split_once("://") else { return Vec::new() };
    let user = rest.split_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    let options = rest.split_once('?').map_or("", |(_, options)| options).split('&');
    let options = options.filter_map(|option| option.split_once('='));
    let passwords = options.filter(|(name, _)| is_secret(&name.to_ascii_lowercase())).map(|(_, value)| value);
    let meant = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let written = user.into_iter().chain(passwords).filter(|text| !text.starts_with("${"));
    written.flat_map(|text| [text.to_owned(), meant(text)]).collect()
}

fn around<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines().find(|line| line.contains(found)).unwrap_or(text)
}

#[test]
fn a_leak_is_found_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        format!("{:?}", folder.path().join(name).display().to_string())
    };
    let uri = written("uri", "mongodb://u:from-file@h/\n");
    let token = written("token", "file-token-0123456789\n");
    let key = written(
        "key",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgE=\n-----END PRIVATE KEY-----\n",
    );
    let config = format!(
        "[connect.a]\nurl = \"http://127.0.0.1:9\"\nusername = \"u\"\npassword = \"connect-pw\"\nclient_key_file = {key}\n\
         [connect.b]\nurl = \"http://127.0.0.1:9\"\ntoken_file = {token}\n\
         [connect.a.kafka]\nusername = \"k\"\npassword = \"sasl-pw\"\nkey_password = \"phrase-of-the-key\"\n\
         [connect.a.kafka.properties]\n\"client.rack\" = \"a-property\"\n\"socket.keepalive.enable\" = \"true\"\n\
         [mongodb.a]\nuri = \"mongodb://u:inline%2Fpw@h/?tlsCertificateKeyFilePassword=tls-phrase\"\n[mongodb.b]\nuri_file = {uri}\n\
         [http]\ntoken = \"0123456789abcdef\"\n[http.users.ada]\npassword_hash = \"$2b$04$abc\"\n"
    );
    let mut leaks = Leaks::of_config(&config);
    leaks.key("RESUMEGUARD__CONNECT__B__PASSWORD", "from-environment");
    for (key, value) in [
        ("connection.uri", "mongodb://c:connectors-own@h/"),
        ("producer.override.sasl.jaas.config", "x required username=\"p\" password=\"producers-own\";"),
        ("ssl.truststore.password", "truststores-own"),
        ("mongo.secret", "${file:/x:y}"),
    ] {
        leaks.connectors_own(key, value);
    }
    let found = |text: &str| std::panic::catch_unwind(|| leaks.nor_tokens_in("it", text)).is_err();
    for secret in [
        "connect-pw",
        "inline%2Fpw",
        "inline/pw",
        "from-file",
        "0123456789abcdef",
        "$2b$04$abc",
        "from-environment",
        "file-token-0123456789",
        "MIGHAgEAMBMGByqGSM49",
        "sasl-pw",
        "phrase-of-the-key",
        "a-property",
        "tls-phrase",
        "connectors-own",
        "producers-own",
        "truststores-own",
        "dTpjb25uZWN0LXB3",
    ] {
        assert!(found(&format!("x{secret}y")), "{secret}");
    }
    assert!(found("{\"_data\": \"826B03B3E1000000012B0229296E04\"}"), "a token");
    assert!(!found("nothing of the kind: http://127.0.0.1:9 823456 true ${file:/x:y}"));
}
