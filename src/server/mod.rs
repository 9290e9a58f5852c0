//! HTTP's connections: TLS, who is behind them, and bounds on all that they can hold. What is answered stands in
//! `publish::http`.
//!
//! HTTP/1.1 only: what is asked for is small, and every further protocol is a further way to hold a server.

mod accounts;
mod certificate;
mod connections;
mod door;
mod files;
mod host;
mod limits;
mod patience;
pub mod tls;

pub use accounts::{Accounts, Known};
pub use door::{Peer, Visitor, Ways};

use crate::clock::Clock;
use crate::config::Http;
use crate::publish::http::{is_open_to_all, problem};
use crate::publish::page::readable;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use connections::{Connection, Connections};
use door::Door;
use files::Watched;
use host::Hosts;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use patience::Patient;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A request's header is there within this, or the connection ends; so does one that has asked for nothing for so long.
/// More than Prometheus' usual interval: its connection stays open.
const HEADER: Duration = Duration::from_secs(20);
/// A header is no longer than that, bytes.
const HEADER_BYTES: usize = 32 << 10;
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A body is there within this.
const BODY: Duration = Duration::from_secs(10);
/// A reason and a name or two.
const BODY_BYTES: usize = 16 << 10;
/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Where the system gives no more connections, it may after this.
const BREATH: Duration = Duration::from_millis(100);

/// A listening socket with everything that guards it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    door: Arc<Door>,
    hosts: Arc<Hosts>,
    tls: Option<Secured>,
    connections: Arc<Connections>,
}

#[derive(Debug, Clone)]
struct Secured {
    from: crate::config::http::Tls,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl Secured {
    fn reload(&self) -> Result<(), String> {
        tls::load(&self.from).map(|config| self.current.store(config))
    }
}

impl Server {
    /// Listens; nobody is answered yet.
    ///
    /// # Errors
    /// Where the address is taken, or a file has become unreadable since it was checked.
    pub async fn bind(http: &Http, clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(http.listen)
            .await
            .with_context(|| format!("cannot listen on {} (http.listen)", http.listen))?;
        let door =
            Door::new(http.credentials.clone(), http.read_authenticated, http.requests_per_second, clock);
        let tls = http.tls.as_ref().map(|from| {
            let current = Arc::new(ArcSwap::new(tls::load(from)?));
            Ok::<_, String>(Secured { from: from.clone(), current })
        });
        let tls = tls.transpose().map_err(anyhow::Error::msg)?;
        if tls.is_none() && !http.listen.ip().is_loopback() && !http.credentials.is_empty() {
            tracing::warn!(
                listen = %http.listen,
                "credentials are sent in the clear: set http.tls_cert_file and http.tls_key_file, or put a proxy with TLS before it"
            );
        }
        if http.hosts.is_empty() && !http.listen.ip().is_loopback() {
            tracing::info!(
                listen = %http.listen,
                "pages and API answer those who ask by an IP address or localhost; names of this daemon belong into http.hosts"
            );
        }
        let door = Arc::new(door.map_err(anyhow::Error::msg)?);
        let hosts = Arc::new(Hosts(http.hosts.clone()));
        Ok(Self { listener, door, hosts, tls, connections: Connections::new(http.max_connections) })
    }

    /// The address that it listens on. Port 0 means any: this says which one it became.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is dropped.
    pub async fn serve(self, router: Router) {
        let Self { listener, door, hosts, tls, connections } = self;
        let reloading = reload(Arc::clone(&door), tls.clone());
        let router = router
            .layer(axum::middleware::from_fn_with_state(door, guard))
            .layer(axum::middleware::from_fn_with_state(hosts, host::known))
            .layer(axum::middleware::from_fn(readable));
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, from)) => accept(stream, from, tls.as_ref(), &connections, router.clone()),
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        tokio::time::sleep(BREATH).await;
                    }
                }
            }
        };
        tokio::join!(reloading, accepting);
    }
}

/// Answers a connection in a task of its own. Where there is no room for it, it is closed.
fn accept(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<&Secured>,
    connections: &Arc<Connections>,
    router: Router,
) {
    let Some(connection) = connections.admit() else { return };
    // Answers are small and whole.
    stream.set_nodelay(true).ok();
    let tls = tls.map(|secured| secured.current.load_full());
    let address = from.ip();
    tokio::spawn(async move {
        let connection = Arc::new(connection);
        let answered = async {
            let Some(tls) = tls else {
                return answer(
                    Patient::new(stream),
                    Peer { address, certificate: None },
                    &connection,
                    router,
                )
                .await;
            };
            let shaken = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(Patient::new(stream)));
            let Ok(Ok(stream)) = shaken.await else { return };
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let certificate = shown.map(|shown| Arc::new(certificate::names(shown)));
            answer(stream, Peer { address, certificate }, &connection, router).await;
        };
        tokio::select! {
            () = answered => {}
            () = connection.must_go() => tracing::debug!(%from, "a silent connection made room for another"),
        }
    });
}

async fn answer<S>(stream: S, peer: Peer, connection: &Arc<Connection>, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        let answering = connection.begin();
        request.extensions_mut().insert(peer.clone());
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(answering);
            answer
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Who it is comes before what is wanted: a stranger's body is not even read.
async fn guard(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    if is_open_to_all(request.uri().path()) {
        return next.run(request).await;
    }
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "nobody knows where this comes from");
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let visitor = match door.enter(&peer, request.headers(), changes).await {
        Ok(visitor) => visitor,
        Err(refusal) => return without_a_prompt(request.headers(), *refusal),
    };
    request.extensions_mut().insert(visitor);
    request.extensions_mut().insert(door.ways());
    if changes {
        request = match whole(request).await {
            Ok(request) => request,
            Err(refusal) => return *refusal,
        };
    }
    next.run(request).await
}

/// Where a page looks again by itself, with credentials that do not count any more, a browser would ask for a password in the middle of
/// what somebody reads, and keep the answer from the page: no Basic challenge then. Without credentials there is one, since browsers
/// answer it with what they know already.
fn without_a_prompt(headers: &HeaderMap, mut refusal: Response) -> Response {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
    let by_itself = says("x-requested-with", "resumeguard") || says("accept", "text/event-stream");
    if by_itself
        && headers.contains_key(header::AUTHORIZATION)
        && refusal.status() == StatusCode::UNAUTHORIZED
    {
        let elsewhere = HeaderValue::from_static("Page realm=\"resumeguard\"");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, elsewhere);
    }
    refusal
}

/// The request with its body read, in time and within bounds.
pub(crate) async fn whole(request: Request) -> Result<Request, Box<Response>> {
    let (parts, body) = request.into_parts();
    let refused = |status, detail: &str| {
        // What is left of the body is not waited for.
        let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
        Box::new((close, problem(status, detail)).into_response())
    };
    match tokio::time::timeout(BODY, axum::body::to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) if error.to_string().contains("length limit") => {
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "the body exceeds the length limit of 16 KiB"))
        }
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "the body could not be read")),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10 s")),
    }
}

/// Reads the files again when they change. What is wrong with them is said once, and what was read before counts on.
async fn reload(door: Arc<Door>, tls: Option<Secured>) {
    let with_door = door.files();
    let with_tls = tls.as_ref().map(|secured| {
        let Secured { from, .. } = secured;
        [Some(from.cert_file.clone()), Some(from.key_file.clone()), from.client_ca_file.clone()]
    });
    let with_tls: Vec<_> = with_tls.into_iter().flatten().flatten().collect();
    let again = (Arc::clone(&door), tls.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let watched = (Watched::new(with_door), Watched::new(with_tls));
        // They may have changed since the start.
        let (door, tls) = again;
        let read = door.reload().and_then(|()| tls.map_or(Ok(()), |secured| secured.reload()));
        if let Err(error) = read {
            tracing::error!(error, "HTTP: what was read at the start counts on");
        }
        watched
    });
    let Ok(mut watched) = looked.await else { return };
    if watched.0.is_empty() && watched.1.is_empty() {
        return;
    }
    loop {
        tokio::time::sleep(LOOK).await;
        let (door, tls) = (Arc::clone(&door), tls.clone());
        let looked = tokio::task::spawn_blocking(move || {
            if watched.0.changed() {
                told("credentials", door.reload());
            }
            if watched.1.changed()
                && let Some(secured) = tls
            {
                told("certificates", secured.reload());
            }
            watched
        });
        match looked.await {
            Ok(after) => watched = after,
            Err(_) => return,
        }
    }
}

fn told(what: &str, outcome: Result<(), String>) {
    match outcome {
        Ok(()) => tracing::info!("HTTP: {what} have changed and were read again"),
        Err(error) => {
            tracing::error!(error, "HTTP: {what} have changed and cannot be used; those before count on")
        }
    }
}
