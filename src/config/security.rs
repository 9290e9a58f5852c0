//! Who we are towards others, and whom we trust. What stands in a file can be read again: a secret or a certificate that
//! was rotated counts without a restart.

use super::load::ConfigError;
use super::raw::{RawConnect, RawEntrance};
use super::{Entrance, Secret};
use resumeguard_core::domain::ConnectionString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A secret as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    Inline { key: String, secret: Secret },
    File { key: String, path: PathBuf },
}

/// How a Connect cluster is reached, as it is configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectSecurity {
    username: Option<String>,
    password: Option<Given>,
    token: Option<Given>,
    ca: Option<Given>,
    certificate: Option<Given>,
    key: Option<Given>,
}

/// What that comes to at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectCredentials {
    /// What every request carries.
    pub authorization: Option<Authorization>,
    /// Certificates that are trusted instead of the system's, PEM.
    pub ca: Option<Secret>,
    /// Our own certificate and key, PEM.
    pub identity: Option<Secret>,
}

/// What every request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// User and password.
    Basic(String, Secret),
    /// A bearer token.
    Bearer(Secret),
}

/// One way into MongoDB, as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct EntranceSource {
    /// `mongodb.NAME`, or `mongodb.NAME.shards.SHARD`.
    key: String,
    uri: Given,
    username: Option<String>,
    password: Option<Given>,
    ca_file: Option<String>,
    client_cert_file: Option<String>,
}

impl Given {
    pub(super) fn from(
        key: &str,
        inline: Option<&Secret>,
        file: Option<&str>,
    ) -> Result<Option<Self>, ConfigError> {
        match (inline, file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::at(key, "given twice: keep either the value or the _file"))
            }
            (Some(secret), None) => Ok(Some(Self::Inline { key: key.to_owned(), secret: secret.clone() })),
            (None, Some(path)) => Ok(Some(Self::file(&format!("{key}_file"), path))),
            (None, None) => Ok(None),
        }
    }

    fn file(key: &str, path: &str) -> Self {
        Self::File { key: key.to_owned(), path: PathBuf::from(path) }
    }

    /// The text now. The line that an editor puts at the end is none of it.
    pub(super) fn read(&self) -> Result<Secret, ConfigError> {
        match self {
            Self::Inline { secret, .. } => Ok(secret.clone()),
            Self::File { key, path } => {
                let text = read(key, path)?;
                Ok(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

/// Whether a file that is read elsewhere is there.
pub(super) fn is_there(key: &str, path: &Path) -> Result<(), ConfigError> {
    std::fs::File::open(path).map(drop).map_err(|error| unreadable(key, path, &error))
}

fn unreadable(key: &str, path: &Path, error: &std::io::Error) -> ConfigError {
    let problem = format!("{}: {error}", path.display());
    // What may be made good without a look at the configuration; a folder or bytes that are no text may not.
    let may_pass = [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind());
    if may_pass { ConfigError::absent(key, problem) } else { ConfigError::at(key, problem) }
}

pub(super) fn read(key: &str, path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(key, path, &error))?;
    // As it is while somebody writes it.
    if text.trim().is_empty() {
        return Err(ConfigError::absent(key, format!("{} is empty", path.display())));
    }
    Ok(text)
}

impl ConnectSecurity {
    pub(super) fn from(name: &str, raw: &RawConnect, https: bool) -> Result<Self, ConfigError> {
        let key = |field: &str| format!("connect.{name}.{field}");
        let password = Given::from(&key("password"), raw.password.as_ref(), raw.password_file.as_deref())?;
        let token = Given::from(&key("token"), raw.token.as_ref(), raw.token_file.as_deref())?;
        match (&raw.username, &password, &token) {
            (Some(_), None, None) => {
                return Err(ConfigError::at(&key("username"), "needs password or password_file"));
            }
            (None, Some(_), _) => return Err(ConfigError::at(&key("password"), "needs username")),
            (Some(_), _, Some(_)) => {
                return Err(ConfigError::at(&key("token"), "given beside username: keep one of the two"));
            }
            _ => {}
        }
        let file =
            |field: &str, path: &Option<String>| path.as_deref().map(|path| Given::file(&key(field), path));
        let ca = file("ca_file", &raw.ca_file);
        let certificate = file("client_cert_file", &raw.client_cert_file);
        let own_key = file("client_key_file", &raw.client_key_file);
        if own_key.is_some() && certificate.is_none() {
            return Err(ConfigError::at(&key("client_key_file"), "needs client_cert_file"));
        }
        let tls = [("ca_file", &ca), ("client_cert_file", &certificate)];
        if let Some((field, _)) = tls.into_iter().find(|(_, given)| given.is_some() && !https) {
            return Err(ConfigError::at(&key(field), "needs a url with https://"));
        }
        Ok(Self { username: raw.username.clone(), password, token, ca, certificate, key: own_key })
    }

    /// Whether it may come to something else at another time.
    #[must_use]
    pub fn rotates(&self) -> bool {
        let given = [&self.password, &self.token, &self.ca, &self.certificate, &self.key];
        given.into_iter().flatten().any(Given::is_file)
    }

    /// What it comes to now.
    ///
    /// # Errors
    /// The first file that cannot be used, with its key.
    pub fn read(&self) -> Result<ConnectCredentials, ConfigError> {
        let read = |given: &Option<Given>| given.as_ref().map(Given::read).transpose();
        let authorization = match (&self.username, read(&self.password)?, read(&self.token)?) {
            (Some(username), Some(password), _) => Some(Authorization::Basic(username.clone(), password)),
            (_, _, Some(token)) if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
                Some(Authorization::Bearer(token))
            }
            (_, _, Some(_)) => {
                return Err(ConfigError::at(self.key_of(&self.token), "must be one word of printable ASCII"));
            }
            _ => None,
        };
        let ca = read(&self.ca)?;
        if let Some(text) = &ca {
            holds_a_certificate(self.key_of(&self.ca), text)?;
        }
        Ok(ConnectCredentials { authorization, ca, identity: self.identity()? })
    }

    /// Certificate and key, each in a file of its own or both in one.
    fn identity(&self) -> Result<Option<Secret>, ConfigError> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let key = self.key_of(&self.certificate);
        let certificate = certificate.read()?;
        holds_a_certificate(key, &certificate)?;
        let own_key = self.key.as_ref().map(Given::read).transpose()?;
        let (key, text) = own_key.as_ref().map_or((key, &certificate), |text| (self.key_of(&self.key), text));
        holds_a_key(key, text)?;
        let both = own_key.as_ref().map(|own| format!("{}\n{}", certificate.expose(), own.expose()));
        Ok(Some(both.map_or(certificate, Secret::from)))
    }

    fn key_of<'a>(&self, given: &'a Option<Given>) -> &'a str {
        match given {
            Some(Given::File { key, .. } | Given::Inline { key, .. }) => key,
            None => "connect",
        }
    }
}

fn holds_a_certificate(key: &str, text: &Secret) -> Result<(), ConfigError> {
    if text.expose().contains("-----BEGIN CERTIFICATE-----") {
        return Ok(());
    }
    Err(ConfigError::at(key, "holds no certificate; it must be PEM, with \"-----BEGIN CERTIFICATE-----\""))
}

fn holds_a_key(key: &str, text: &Secret) -> Result<(), ConfigError> {
    let text = text.expose();
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(ConfigError::at(key, "its key is encrypted; `openssl pkey -in FILE` writes it without"));
    }
    if text.contains("PRIVATE KEY-----") {
        return Ok(());
    }
    Err(ConfigError::at(key, "holds no private key; it must be PEM, with \"-----BEGIN PRIVATE KEY-----\""))
}

impl EntranceSource {
    pub(super) fn from(key: &str, raw: &RawEntrance<'_>) -> Result<Self, ConfigError> {
        let at = |field: &str| format!("{key}.{field}");
        let uri = Given::from(&at("uri"), raw.uri, raw.uri_file)?
            .ok_or_else(|| ConfigError::at(key, "needs uri or uri_file"))?;
        let password = Given::from(&at("password"), raw.password, raw.password_file)?;
        match (raw.username, &password) {
            (Some(_), None) => {
                return Err(ConfigError::at(&at("username"), "needs password or password_file"));
            }
            (None, Some(_)) => return Err(ConfigError::at(&at("password"), "needs username")),
            _ => {}
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            key: key.to_owned(),
            uri,
            username: owned(raw.username),
            password,
            ca_file: owned(raw.ca_file),
            client_cert_file: owned(raw.client_cert_file),
        })
    }

    /// Whether it may come to something else at another time.
    #[must_use]
    pub fn rotates(&self) -> bool {
        let files = self.ca_file.is_some() || self.client_cert_file.is_some();
        files || self.uri.is_file() || self.password.as_ref().is_some_and(Given::is_file)
    }

    /// What it comes to now.
    ///
    /// # Errors
    /// The first thing that cannot be used, with its key.
    pub fn read(&self) -> Result<Entrance, ConfigError> {
        let at = |field: &str| format!("{}.{field}", self.key);
        let uri = self.uri.read()?;
        let uri = uri.expose();
        if !uri.starts_with("mongodb://") && !uri.starts_with("mongodb+srv://") {
            return Err(ConfigError::at(&at("uri"), "must begin with mongodb:// or mongodb+srv://"));
        }
        let mut files = Vec::new();
        let mut options = Vec::new();
        for (field, option, path) in [
            ("ca_file", "tlsCAFile", &self.ca_file),
            ("client_cert_file", "tlsCertificateKeyFile", &self.client_cert_file),
        ] {
            let Some(path) = path else { continue };
            let text = Secret::from(read(&at(field), Path::new(path))?);
            holds_a_certificate(&at(field), &text)?;
            if field == "client_cert_file" {
                holds_a_key(&at(field), &text)?;
            }
            files.push(text);
            options.push((option, path.as_str()));
        }
        if !options.is_empty() {
            options.insert(0, ("tls", "true"));
        }
        let password = self.password.as_ref().map(Given::read).transpose()?;
        let user = self.username.as_deref().zip(password.as_ref().map(Secret::expose));
        let uri = ConnectionString::amended(uri, user, &options).map_err(|given| {
            ConfigError::at(&self.key, format!("{given} is given twice: in the uri and beside it"))
        })?;
        Ok(Entrance { uri: uri.into(), files })
    }
}
