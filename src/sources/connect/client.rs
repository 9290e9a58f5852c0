//! HTTP towards Connect: bounded in time and size, no redirects, errors that say what to do.

use super::listing::{self, Listed};
use crate::config::{Authorization, ConnectCluster, ConnectCredentials};
use crate::sources::offsets::parse_offsets;
use crate::sources::tls::{TlsProblem, whole};
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use reqwest::{Certificate, Identity, Method, RequestBuilder, StatusCode, Url, header};
use resumeguard_core::domain::{StoredEntry, Why};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Ten thousand healthy connectors take some 20 MB, a failed task's trace another 6 kB each; a hostile or mistaken
/// server may send without end.
const LISTING_LIMIT: usize = 96 << 20;

/// Offsets of one connector: a handful of keys.
pub(super) const OFFSETS_LIMIT: usize = 4 << 20;

/// What went wrong with Connect, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection.
    #[error(
        "no Kafka Connect at {url}: {cause}; is a worker up, and is this its REST address (port 8083 by default)?"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// The operating system's word.
        cause: String,
    },
    /// No answer in time.
    #[error(
        "Kafka Connect at {url} did not answer within {deadline:.1?}; is the worker overloaded or rebalancing?"
    )]
    TimedOut {
        /// Where.
        url: String,
        /// The deadline.
        deadline: Duration,
    },
    /// HTML or something else.
    #[error(
        "{url} answered {status} with {found} instead of JSON; is it a proxy or a web page rather than Connect's REST interface?"
    )]
    NotJson {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// What was found.
        found: &'static str,
    },
    /// The two sides do not come to speak TLS.
    #[error("{url} {}", .problem.sentence(&format!("connect.{cluster}")))]
    Tls {
        /// Where.
        url: String,
        /// What it is.
        problem: TlsProblem,
        /// Name of the Connect cluster.
        cluster: String,
    },
    /// 401 or 403.
    #[error(
        "{url} refused the credentials ({status}); set connect.{cluster}.username and password_file, or token_file"
    )]
    Unauthorized {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// Name of the Connect cluster.
        cluster: String,
    },
    /// 409.
    #[error("Kafka Connect at {url} is rebalancing (409); it will be read again at the next pass")]
    Rebalancing {
        /// Where.
        url: String,
    },
    /// The answer is larger than any real one.
    #[error("{url} sent more than {limit} bytes; is this Connect's REST interface?")]
    TooLarge {
        /// Where.
        url: String,
        /// The bound, bytes.
        limit: usize,
    },
    /// There is no endpoint for offsets.
    #[error(
        "this Kafka Connect has no GET /connectors/…/offsets (it came with 3.5); upgrade it to read positions by REST"
    )]
    OffsetsUnsupported,
    /// The name cannot be put into a path.
    #[error(
        "Connect's REST interface cannot address this name; rename the connector to read its position by REST"
    )]
    Unaddressable,
    /// Any other answer.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// Connect's own message, shortened.
        message: String,
        /// Connect's own `error_code`; what stands before it has none.
        error_code: Option<i64>,
    },
    /// JSON of another form.
    #[error("{url} answered JSON of another form than Kafka Connect's: {cause}")]
    WrongForm {
        /// Where.
        url: String,
        /// The parser's word.
        cause: String,
    },
    /// No HTTP client could be made.
    #[error("no HTTP client: {0}")]
    NoClient(String),
}

impl ConnectError {
    /// The reason that a connector's offsets are not known.
    #[must_use]
    pub fn why(&self) -> Why {
        match self {
            Self::OffsetsUnsupported => Why::OffsetsUnsupported,
            Self::Unaddressable => Why::NameUnaddressable,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Tls { .. }
            | Self::NotJson { .. }
            | Self::Unauthorized { .. }
            | Self::Rebalancing { .. }
            | Self::TooLarge { .. }
            | Self::Status { .. }
            | Self::WrongForm { .. }
            | Self::NoClient(_) => Why::OffsetsUnreadable,
        }
    }
}

/// A client of one Connect cluster. Clones share what they are, rotated credentials included.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Arc<ArcSwap<Wire>>,
    base: Url,
    cluster: String,
}

/// What a request goes out with.
#[derive(Debug)]
struct Wire {
    http: reqwest::Client,
    credentials: ConnectCredentials,
}

impl Wire {
    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url).header(header::ACCEPT, "application/json");
        match &self.credentials.authorization {
            Some(Authorization::Basic(user, password)) => request.basic_auth(user, Some(password.expose())),
            Some(Authorization::Bearer(token)) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    fn new(credentials: &ConnectCredentials) -> Result<Self, ConnectError> {
        let no_client = |error: reqwest::Error| ConnectError::NoClient(whole(&error));
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("resumeguard/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &credentials.ca {
            let trusted = Certificate::from_pem_bundle(ca.expose().as_bytes()).map_err(no_client)?;
            http = http.tls_certs_only(trusted);
        }
        if let Some(identity) = &credentials.identity {
            let own = Identity::from_pem(identity.expose().as_bytes()).map_err(no_client)?;
            http = http.identity(own);
        }
        Ok(Self { http: http.build().map_err(no_client)?, credentials: credentials.clone() })
    }
}

impl Client {
    /// A client that keeps its connections.
    ///
    /// # Errors
    /// [`ConnectError::NoClient`] where TLS cannot be set up.
    pub fn new(cluster: &ConnectCluster) -> Result<Self, ConnectError> {
        let wire = Arc::new(ArcSwap::from_pointee(Wire::new(&cluster.credentials)?));
        Ok(Self { wire, base: cluster.url.clone(), cluster: cluster.name.clone() })
    }

    /// Uses other credentials from now on, in every clone. With those that it has already nothing changes; with some
    /// that cannot be used neither.
    pub fn adopt(&self, credentials: &ConnectCredentials) {
        if self.wire.load().credentials == *credentials {
            return;
        }
        match Wire::new(credentials) {
            Ok(wire) => {
                self.wire.store(Arc::new(wire));
                tracing::info!(connect_cluster = self.cluster, "credentials were rotated");
            }
            Err(error) => {
                tracing::warn!(connect_cluster = self.cluster, %error, "rotated credentials cannot be used");
            }
        }
    }

    /// `GET /connectors?expand=status&expand=info`: the MongoDB source connectors.
    ///
    /// # Errors
    /// Whatever keeps the listing from being read.
    pub async fn listing(&self, deadline: Duration) -> Result<Vec<Listed>, ConnectError> {
        let mut url = self.url(&["connectors"])?;
        url.set_query(Some("expand=status&expand=info"));
        let body = self.get(&url, deadline, LISTING_LIMIT).await?;
        listing::parse(&body).map_err(|error| wrong_form(&url, &error))
    }

    /// `GET /`: the worker's version, which tells what it can do.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn version(&self, deadline: Duration) -> Result<String, ConnectError> {
        let url = self.url(&[])?;
        let body = self.get(&url, deadline, OFFSETS_LIMIT).await?;
        listing::parse_root(&body).map_err(|error| wrong_form(&url, &error))
    }

    /// `GET /connector-plugins`: versions by class; `None` where several are installed.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    pub async fn plugin_versions(
        &self,
        deadline: Duration,
    ) -> Result<HashMap<String, Option<String>>, ConnectError> {
        let url = self.url(&["connector-plugins"])?;
        let body = self.get(&url, deadline, OFFSETS_LIMIT).await?;
        listing::parse_plugins(&body).map_err(|error| wrong_form(&url, &error))
    }

    /// `GET /connectors/NAME/offsets`.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    pub async fn offsets(&self, name: &str, deadline: Duration) -> Result<Vec<StoredEntry>, ConnectError> {
        let url = self.url(&["connectors", name, "offsets"])?;
        let body = self.offsets_body(name, &url, deadline).await?;
        parse_offsets(&body).map_err(|error| wrong_form(&url, &error))
    }

    pub(super) async fn offsets_body(
        &self,
        name: &str,
        url: &Url,
        deadline: Duration,
    ) -> Result<Vec<u8>, ConnectError> {
        match self.get(url, deadline, OFFSETS_LIMIT).await {
            // Jetty 12 answers an HTML page to such paths (Connect 4).
            Err(ConnectError::NotJson { status: 400, .. }) if name.contains(['/', '\\', '%']) => {
                Err(ConnectError::Unaddressable)
            }
            // A connector that is gone is answered `Connector NAME not found`.
            Err(ConnectError::Status { status: 404, message, .. }) if message.contains("HTTP 404") => {
                Err(ConnectError::OffsetsUnsupported)
            }
            other => other,
        }
    }

    /// The address of its REST interface.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// A request with what every one of them carries, and nothing to bound it yet.
    pub(crate) fn request(
        &self,
        method: Method,
        segments: &[&str],
        query: Option<&str>,
    ) -> Result<RequestBuilder, ConnectError> {
        let mut url = self.url(segments)?;
        url.set_query(query);
        Ok(self.wire.load().request(method, url))
    }

    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, ConnectError> {
        // URL libraries normalise these away, so that the call would reach another resource.
        if segments.iter().any(|segment| [".", ".."].contains(segment)) {
            return Err(ConnectError::Unaddressable);
        }
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| ConnectError::Unaddressable)?.pop_if_empty().extend(segments);
        Ok(url)
    }

    pub(super) async fn get(
        &self,
        url: &Url,
        deadline: Duration,
        limit: usize,
    ) -> Result<Vec<u8>, ConnectError> {
        let request = self.wire.load().request(Method::GET, url.clone()).timeout(deadline);
        let response = request.send().await.map_err(|error| self.transport(&error, deadline))?;
        let status = response.status();
        let is_json = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("json"));
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.transport(&error, deadline))?;
            if body.len() + chunk.len() > limit {
                return Err(ConnectError::TooLarge { url: self.base.to_string(), limit });
            }
            body.extend_from_slice(&chunk);
        }
        self.checked(status, is_json, body)
    }

    fn checked(&self, status: StatusCode, is_json: bool, body: Vec<u8>) -> Result<Vec<u8>, ConnectError> {
        let (url, code) = (self.base.to_string(), status.as_u16());
        let looks_like_json = matches!(body.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{' | b'['));
        match code {
            401 | 403 => Err(ConnectError::Unauthorized { url, status: code, cluster: self.cluster.clone() }),
            409 => Err(ConnectError::Rebalancing { url }),
            _ if !is_json && !looks_like_json => {
                let html = body.windows(5).any(|w| w.eq_ignore_ascii_case(b"<html"));
                let found = if body.is_empty() {
                    "an empty body"
                } else if html {
                    "HTML"
                } else {
                    "text"
                };
                Err(ConnectError::NotJson { url, status: code, found })
            }
            200..=299 => Ok(body),
            _ => {
                let error_code = serde_json::from_slice::<serde_json::Value>(&body)
                    .ok()
                    .and_then(|value| value.get("error_code")?.as_i64());
                Err(ConnectError::Status { url, status: code, message: message(&body), error_code })
            }
        }
    }

    fn transport(&self, error: &reqwest::Error, deadline: Duration) -> ConnectError {
        let url = self.base.to_string();
        if error.is_timeout() {
            return ConnectError::TimedOut { url, deadline };
        }
        if let Some(problem) = TlsProblem::of(&whole(error)) {
            return ConnectError::Tls { url, problem, cluster: self.cluster.clone() };
        }
        // The outermost text names the URL again; the innermost is the operating system's.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ConnectError::Unreachable { url, cause: cause.to_string() }
    }
}

pub(super) fn wrong_form(url: &Url, error: &serde_json::Error) -> ConnectError {
    ConnectError::WrongForm { url: url.to_string(), cause: error.to_string() }
}

/// Connect's own `message`, one line of at most 200 characters.
pub(crate) fn message(body: &[u8]) -> String {
    let text = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    shortened(&text)
}

pub(super) fn shortened(text: &str) -> String {
    text.replace('\n', " ").chars().take(200).collect()
}
