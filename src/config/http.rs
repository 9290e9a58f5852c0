//! `[http]`: where it is served, by what it is secured, and who may do what.

use super::raw::list;
use super::security;
use super::{ConfigError, Secret};
use crate::server::{Accounts, tls};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

/// Characters that a token has at least: one that can be guessed is worse than none.
const SHORTEST_TOKEN: usize = 16;

/// `[http]`, validated. What stands in files is read again when they change.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Names by which it is asked, besides addresses and loopback names: globs, in small letters.
    pub hosts: Vec<WildMatch>,
    /// TLS; `None`: everything is sent in the clear.
    pub tls: Option<Tls>,
    /// Reading needs credentials.
    pub read_authenticated: bool,
    /// Who may do what.
    pub credentials: Credentials,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests a second of one address, on average; 0: any number.
    pub requests_per_second: u32,
}

/// Files of TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// The chain, PEM, the daemon's own certificate first.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// Who signs the certificates of clients; `None`: none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Nobody connects without a certificate.
    pub client_required: bool,
}

/// Where credentials come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credentials {
    /// Bearer token that may change.
    pub token: Option<Place>,
    /// Bearer token that may read.
    pub read_token: Option<Place>,
    /// `name:bcrypt hash[:rights]` a line.
    pub users_file: Option<PathBuf>,
    /// Users of the configuration itself.
    pub users: BTreeMap<String, User>,
    /// Certificates of clients are looked at.
    pub certificates: bool,
}

impl Credentials {
    /// Whether anybody is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.token.is_none()
            && self.read_token.is_none()
            && self.users_file.is_none()
            && self.users.is_empty()
            && !self.certificates
    }
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Here.
    Here(Secret),
    /// In a file, which may change.
    File(PathBuf),
}

/// One user.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Hash of the password, bcrypt.
    pub password_hash: Option<Secret>,
    /// Common name or DNS name of the client certificate.
    pub certificate: Option<String>,
    /// What they may.
    pub rights: Right,
}

/// What somebody may; each one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Look, without tokens and traces: those hold document keys.
    Read,
    /// Look at everything.
    Tokens,
    /// Have connectors stopped, offsets changed, recovery frozen.
    Change,
}

impl Right {
    /// The word of the configuration.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "read" => Ok(Self::Read),
            "tokens" => Ok(Self::Tokens),
            "change" => Ok(Self::Change),
            other => Err(format!("`{other}` is none of \"read\", \"tokens\", \"change\"")),
        }
    }
}

/// `[http]` as it is written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    /// Address to listen on.
    pub listen: String,
    /// Names by which it is asked, besides addresses and loopback names.
    #[serde(deserialize_with = "list")]
    pub hosts: Vec<String>,
    /// Who may read: `open` or `authenticated`.
    pub read: String,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests a second of one address.
    pub requests_per_second: u32,
    /// Bearer token that may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// File that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Bearer token that may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_token: Option<Secret>,
    /// File that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_token_file: Option<String>,
    /// The daemon's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert_file: Option<String>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key_file: Option<String>,
    /// Who signs the certificates of clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<String>,
    /// `required` or `optional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<String>,
    /// Users with their hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_file: Option<String>,
    /// `[http.users.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, RawUser>,
}

/// `[http.users.NAME]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawUser {
    /// Hash of the password, bcrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Secret>,
    /// Common name or DNS name of the client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// `read`, `tokens` or `change`.
    #[serde(default = "read")]
    pub rights: String,
}

fn read() -> String {
    "read".to_owned()
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9286".to_owned(),
            hosts: Vec::new(),
            read: "open".to_owned(),
            max_connections: 256,
            requests_per_second: 100,
            token: None,
            token_file: None,
            read_token: None,
            read_token_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            client_ca_file: None,
            client_certificates: None,
            users_file: None,
            users: BTreeMap::new(),
        }
    }
}

/// Validates; what stands in files is read once, so that a mistake is told at the start.
pub(super) fn http(raw: &RawHttp) -> Result<Http, ConfigError> {
    let listen = raw.listen.parse().map_err(|_| {
        let problem = format!("`{}` is no address; write for example \"127.0.0.1:9286\"", raw.listen);
        ConfigError::at("http.listen", problem)
    })?;
    if !(8..=65_536).contains(&raw.max_connections) {
        return Err(ConfigError::at("http.max_connections", "must be from 8 to 65536"));
    }
    let tls = tls_files(raw)?;
    let credentials = credentials(raw, tls.as_ref())?;
    let http = Http {
        listen,
        hosts: hosts(&raw.hosts)?,
        tls,
        read_authenticated: read_authenticated(raw, &credentials)?,
        credentials,
        max_connections: raw.max_connections,
        requests_per_second: raw.requests_per_second,
    };
    for (key, file) in [
        ("tls_cert_file", &raw.tls_cert_file),
        ("tls_key_file", &raw.tls_key_file),
        ("client_ca_file", &raw.client_ca_file),
        ("token_file", &raw.token_file),
        ("read_token_file", &raw.read_token_file),
    ] {
        // That it is not there, or not yet, is another thing than that it is wrong.
        if let Some(file) = file {
            security::read(&format!("http.{key}"), Path::new(file))?;
        }
    }
    if let Some(file) = &http.credentials.users_file {
        security::is_there("http.users_file", file)?;
    }
    if let Some(tls) = &http.tls {
        tls::load(tls).map_err(ConfigError::line)?;
    }
    Accounts::load(&http.credentials).map_err(ConfigError::line)?;
    Ok(http)
}

/// Names as a browser has them in its address bar, without what stands before and behind.
fn hosts(names: &[String]) -> Result<Vec<WildMatch>, ConfigError> {
    let glob = |name: &String| {
        if name.is_empty() || name.contains(['/', ':', ' ']) {
            let problem =
                format!("`{name}` is no name; write it without scheme and port, as \"resumeguard.example\"");
            return Err(ConfigError::at("http.hosts", problem));
        }
        Ok(WildMatch::new(name.trim_end_matches('.').to_ascii_lowercase().as_str()))
    };
    names.iter().map(glob).collect()
}

fn read_authenticated(raw: &RawHttp, credentials: &Credentials) -> Result<bool, ConfigError> {
    match raw.read.as_str() {
        "open" if credentials.read_token.is_some() => {
            let problem = "reading is open to whoever can connect; set http.read = \"authenticated\", or leave the token out";
            Err(ConfigError::at("http.read_token", problem))
        }
        "open" => Ok(false),
        "authenticated" if credentials.is_empty() => {
            let problem = "nobody could read; set http.read_token_file, http.users_file, [http.users.NAME] or http.client_ca_file";
            Err(ConfigError::at("http.read", problem))
        }
        "authenticated" => Ok(true),
        other => {
            Err(ConfigError::at("http.read", format!("`{other}` is neither \"open\" nor \"authenticated\"")))
        }
    }
}

fn tls_files(raw: &RawHttp) -> Result<Option<Tls>, ConfigError> {
    let at = |key: &str, problem: &str| Err(ConfigError::at(&format!("http.{key}"), problem));
    let client_required = match (raw.client_certificates.as_deref(), &raw.client_ca_file) {
        (Some(_), None) => {
            return at(
                "client_certificates",
                "needs http.client_ca_file, which says whose certificates count",
            );
        }
        (None | Some("required"), _) => true,
        (Some("optional"), _) => false,
        (Some(other), _) => {
            let problem = format!("`{other}` is neither \"required\" nor \"optional\"");
            return at("client_certificates", &problem);
        }
    };
    let (cert, key) = match (&raw.tls_cert_file, &raw.tls_key_file) {
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => {
            return at("tls_cert_file", "needs http.tls_key_file, the key of that certificate");
        }
        (None, Some(_)) => {
            return at("tls_key_file", "needs http.tls_cert_file, the certificate of that key");
        }
        (None, None) if raw.client_ca_file.is_some() => {
            return at(
                "client_ca_file",
                "clients show certificates by TLS only: needs http.tls_cert_file and http.tls_key_file",
            );
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Tls {
        cert_file: cert.into(),
        key_file: key.into(),
        client_ca_file: raw.client_ca_file.as_ref().map(PathBuf::from),
        client_required,
    }))
}

fn credentials(raw: &RawHttp, tls: Option<&Tls>) -> Result<Credentials, ConfigError> {
    let certificates = tls.is_some_and(|tls| tls.client_ca_file.is_some());
    let users = raw.users.iter().map(|(name, raw)| Ok((name.clone(), user(name, raw, certificates)?)));
    Ok(Credentials {
        token: place("http.token", raw.token.as_ref(), raw.token_file.as_deref())?,
        read_token: place("http.read_token", raw.read_token.as_ref(), raw.read_token_file.as_deref())?,
        users_file: raw.users_file.as_ref().map(PathBuf::from),
        users: users.collect::<Result<_, ConfigError>>()?,
        certificates,
    })
}

fn user(name: &str, raw: &RawUser, certificates: bool) -> Result<User, ConfigError> {
    let key = format!("http.users.{name}");
    if raw.password_hash.is_none() && raw.certificate.is_none() {
        return Err(ConfigError::at(&key, "needs password_hash or certificate"));
    }
    if raw.certificate.is_some() && !certificates {
        let problem = "needs http.client_ca_file, which says whose certificates count";
        return Err(ConfigError::at(&format!("{key}.certificate"), problem));
    }
    Ok(User {
        password_hash: raw.password_hash.clone(),
        certificate: raw.certificate.clone(),
        rights: Right::parse(&raw.rights).map_err(|word| ConfigError::at(&format!("{key}.rights"), word))?,
    })
}

fn place(key: &str, inline: Option<&Secret>, file: Option<&str>) -> Result<Option<Place>, ConfigError> {
    match (inline, file) {
        (Some(_), Some(_)) => Err(ConfigError::at(key, "given twice: keep either the value or the _file")),
        (Some(secret), None) => Ok(Some(Place::Here(secret.clone()))),
        (None, Some(path)) => Ok(Some(Place::File(path.into()))),
        (None, None) => Ok(None),
    }
}

/// What is wrong with a token, if anything is.
///
/// # Errors
/// One that can be guessed, or that no header can carry.
pub fn check_token(token: &str) -> Result<(), String> {
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "must have at least {SHORTEST_TOKEN} characters, letters and digits; `openssl rand -hex 32` makes one"
        ));
    }
    Ok(())
}
