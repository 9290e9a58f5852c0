//! By which names the daemon is asked. A page of anybody's may give its own name our address (DNS rebinding): its scripts are then
//! of the same origin as ours, in the eyes of a browser that can reach us. What keeps them out is the name that they ask for.

use crate::publish::http::problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use wildmatch::WildMatch;

/// Longest name that is repeated: as DNS has them.
const LONGEST: usize = 253;

/// Names other than addresses and loopback ones.
#[derive(Debug)]
pub(super) struct Hosts(pub(super) Vec<WildMatch>);

impl Hosts {
    /// The name that is none of ours. Browsers always send one; whoever sends none is no browser.
    fn stranger(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        let asked = uri.authority().map(axum::http::uri::Authority::as_str);
        let mut strangers = asked.into_iter().chain(named).map(name).filter(|name| !self.knows(name));
        strangers.next()
    }

    /// An address cannot be given to anybody else's page: only names can.
    fn knows(&self, name: &str) -> bool {
        let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        literal.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.iter().any(|known| known.matches(name))
    }
}

/// The host of `host:port`, in small letters, without a dot at its end.
fn name(host: &str) -> String {
    let port = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, rest)) if port(rest) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// What a scraper or a probe asks for is answered by whatever name it asks: Prometheus and Kubernetes know pods by many.
fn is_for_machines(path: &str) -> bool {
    matches!(path, "/metrics" | "/healthz" | "/readyz")
}

/// 421 to whoever asks by a name that is none of ours, before anything else is looked at.
pub(super) async fn known(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if is_for_machines(request.uri().path()) {
        return next.run(request).await;
    }
    match hosts.stranger(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(name) => problem(StatusCode::MISDIRECTED_REQUEST, &refusal(&name)),
    }
}

fn refusal(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let shown = !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain);
    let name = if shown { name } else { "NAME" };
    format!("refused: this daemon is not known by that name; if it is its own, set http.hosts = [\"{name}\"]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_names_of_ours_and_addresses_are_answered() {
        let hosts = Hosts(vec![WildMatch::new("guard.example"), WildMatch::new("*.svc")]);
        let stranger = |uri: &str, sent: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in sent {
                headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            hosts.stranger(&uri.parse().unwrap(), &headers)
        };
        for host in [
            "127.0.0.1:9286",
            "10.1.2.3",
            "[::1]:9286",
            "[::1]",
            "localhost",
            "localhost:9286",
            "LOCALHOST.",
            "x.localhost",
            "guard.example",
            "Guard.Example:443",
            "guard.example.:443",
            "resumeguard.monitoring.svc:9286",
        ] {
            assert_eq!(stranger("/", &[host]), None, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9286",
            "guard.example.evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil",
            "",
            "xguard.example",
            "guard.example:x",
            "notlocalhost",
            "0x7f.1",
            "ü",
        ] {
            assert!(stranger("/", &[host]).is_some(), "{host}");
        }
        assert_eq!(stranger("/", &[]), None, "no browser");
        assert!(stranger("/", &["localhost", "evil.example"]).is_some(), "one of two");
        assert!(stranger("http://evil.example/", &["localhost"]).is_some(), "in the address itself");
    }

    #[test]
    fn a_name_is_repeated_only_where_it_could_be_one() {
        assert!(refusal("guard.example").ends_with("set http.hosts = [\"guard.example\"]"));
        for name in ["<b>", "a\"b", "", &"x".repeat(300)] {
            assert!(refusal(name).ends_with("[\"NAME\"]"), "{name}");
        }
    }
}
