//! Who somebody is, and whether they may: looked at before anything else is done for a request.

use super::accounts::{Accounts, Known, LONGEST_PASSWORD, watched};
use super::limits::Limit;
use crate::clock::Clock;
use crate::config::Secret;
use crate::config::http::{Credentials, Right};
use crate::publish::http::problem;
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Wrong passwords and tokens of one address at once, and how many a second it gets back.
const WRONG: (f64, f64) = (10.0, 1.0 / 6.0);
/// Passwords that are known to be right.
const REMEMBERED: usize = 256;
/// Passwords that wait to be compared; more are turned away.
const WAITING: usize = 16;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// Names of the certificate that it has shown, verified.
    pub certificate: Option<Arc<Vec<String>>>,
}

/// Whoever asks, after the door: in the extensions of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor(pub Option<Known>);

impl Visitor {
    /// Whether they may.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.0.as_ref().is_some_and(|known| known.right >= right)
    }
}

/// The ways in which somebody can make themselves known; in the extensions of a request, so that pages can name them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ways {
    tokens: bool,
    passwords: bool,
    certificates: bool,
}

impl Ways {
    /// Whether there is any.
    #[must_use]
    pub fn any(self) -> bool {
        self.tokens || self.passwords || self.certificates
    }

    /// Whether a browser asks for a name and a password.
    #[must_use]
    pub fn browser(self) -> bool {
        self.passwords
    }

    /// 401, with each of them.
    #[must_use]
    pub fn challenge(self, detail: &str) -> Response {
        let mut response = problem(StatusCode::UNAUTHORIZED, detail);
        let ways = [
            (self.tokens, "Bearer realm=\"resumeguard\""),
            (self.passwords, "Basic realm=\"resumeguard\", charset=\"UTF-8\""),
            // HTTP has no word for it (RFC 9110, 11.6.1 asks for a challenge all the same).
            (!self.tokens && !self.passwords, "Certificate realm=\"resumeguard\""),
        ];
        for (_, way) in ways.into_iter().filter(|(open, _)| *open) {
            response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(way));
        }
        response
    }
}

/// Shared by all connections.
#[derive(Debug)]
pub(super) struct Door {
    from: Credentials,
    accounts: ArcSwap<Accounts>,
    read_authenticated: bool,
    requests: Limit,
    wrong: Limit,
    clock: Clock,
    right_passwords: Mutex<BTreeSet<[u8; 32]>>,
    /// Nobody outside can compute what is remembered.
    salt: [u8; 32],
    /// bcrypt takes a whole core: one at a time.
    comparing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(
        from: Credentials,
        read_authenticated: bool,
        requests_per_second: u32,
        clock: Clock,
    ) -> Result<Self, String> {
        let accounts = ArcSwap::from_pointee(Accounts::load(&from)?);
        let mut salt = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut salt).map_err(|_| "the system gives no random numbers".to_owned())?;
        let rate = f64::from(requests_per_second);
        Ok(Self {
            from,
            accounts,
            read_authenticated,
            requests: Limit::new(rate * 4.0, rate),
            wrong: Limit::new(WRONG.0, WRONG.1),
            clock,
            right_passwords: Mutex::default(),
            salt,
            comparing: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// Files that it reads again when they change.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        watched(&self.from)
    }

    /// Reads them again.
    pub(super) fn reload(&self) -> Result<(), String> {
        self.accounts.store(Arc::new(Accounts::load(&self.from)?));
        self.right_passwords.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Lets somebody in, or says why not.
    pub(super) async fn enter(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        changes: bool,
    ) -> Result<Visitor, Box<Response>> {
        if let Err(after) = self.requests.take(peer.address, self.clock.uptime()) {
            return Err(later(after, "too many requests from your address"));
        }
        let accounts = self.accounts.load_full();
        let visitor = Visitor(self.recognise(&accounts, peer, headers).await?);
        if changes {
            self.may_change(&accounts, &visitor, headers)?;
        } else if self.read_authenticated && !visitor.may(Right::Read) {
            return Err(self.unknown(&accounts, "reading needs credentials (http.read)"));
        }
        Ok(visitor)
    }

    fn may_change(
        &self,
        accounts: &Accounts,
        visitor: &Visitor,
        headers: &HeaderMap,
    ) -> Result<(), Box<Response>> {
        if accounts.is_empty() {
            let detail = "refused: no credentials are configured (http.token_file); the resumeguard command on this machine needs none";
            return Err(refused(detail));
        }
        // Browsers send passwords and certificates along whoever asks for it.
        if is_cross_origin(headers) {
            return Err(refused("refused: a page of another origin asks for it"));
        }
        match &visitor.0 {
            None => Err(self.unknown(accounts, "changes need credentials")),
            Some(known) if known.right < Right::Change => {
                Err(refused(&format!("refused: {} may not change anything", known.name)))
            }
            Some(_) => Ok(()),
        }
    }

    /// Who shows what. Wrong credentials are never taken for none: a scrape whose password has changed is to notice it.
    async fn recognise(
        &self,
        accounts: &Arc<Accounts>,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<Option<Known>, Box<Response>> {
        if accounts.is_empty() {
            return Ok(None);
        }
        let certificate = peer.certificate.as_ref().map(|names| accounts.by_certificate(names));
        let Some(shown) = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) else {
            return Ok(certificate);
        };
        let known = match credentials(shown) {
            // Cheap to compare, and a remembered password is as well: only what is wrong counts against an address.
            Some(Shown::Bearer(token)) => accounts.by_token(token),
            Some(Shown::Basic { name, password }) => {
                let known = self.by_password(accounts, peer, &name, password).await?;
                return known.map(Some).ok_or_else(|| self.nobody(accounts));
            }
            None => None,
        };
        if known.is_none() {
            self.count_wrong(peer)?;
        }
        known.map(Some).ok_or_else(|| self.nobody(accounts))
    }

    /// One more that is wrong, or may be.
    fn count_wrong(&self, peer: &Peer) -> Result<(), Box<Response>> {
        let taken = self.wrong.take(peer.address, self.clock.uptime());
        taken.map_err(|after| later(after, "too many wrong credentials from your address"))
    }

    fn nobody(&self, accounts: &Accounts) -> Box<Response> {
        self.unknown(accounts, "nobody is known by these credentials")
    }

    /// Whose a password is. Whoever hangs up ends this anywhere that it waits: so a password counts as wrong until it has
    /// been found right, and a comparison that has begun keeps its places until it ends.
    async fn by_password(
        &self,
        accounts: &Arc<Accounts>,
        peer: &Peer,
        name: &str,
        password: Secret,
    ) -> Result<Option<Known>, Box<Response>> {
        let (hash, known) = accounts.by_name(name);
        let shown = self.fingerprint(name, &hash, &password);
        let remembered = || self.right_passwords.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered().contains(&shown) {
            return Ok(known);
        }
        let busy = || later(Duration::from_secs(1), "too many logins at once");
        let queued = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        self.count_wrong(peer)?;
        let turn = Arc::clone(&self.comparing).acquire_owned().await.map_err(|_| busy())?;
        if password.expose().len() > LONGEST_PASSWORD {
            return Ok(None);
        }
        let fits = tokio::task::spawn_blocking(move || {
            let _until_it_ends = (queued, turn);
            bcrypt::verify(password.expose(), hash.expose())
        });
        let fits = matches!(fits.await, Ok(Ok(true)));
        let known = known.filter(|_| fits);
        if known.is_some() {
            self.wrong.give_back(peer.address);
            let mut remembered = remembered();
            if remembered.len() >= REMEMBERED {
                remembered.pop_first();
            }
            remembered.insert(shown);
        }
        Ok(known)
    }

    fn fingerprint(&self, name: &str, hash: &Secret, password: &Secret) -> [u8; 32] {
        let mut all = Sha256::new_with_prefix(self.salt);
        for part in [name, hash.expose(), password.expose()] {
            all.update(part.len().to_be_bytes());
            all.update(part);
        }
        all.finalize().into()
    }

    /// 401, with each way to be recognised.
    fn unknown(&self, accounts: &Accounts, detail: &str) -> Box<Response> {
        Box::new(ways(accounts).challenge(detail))
    }

    /// How somebody can make themselves known at present.
    pub(super) fn ways(&self) -> Ways {
        ways(&self.accounts.load())
    }
}

fn ways(accounts: &Accounts) -> Ways {
    let (tokens, passwords) = (accounts.has_tokens(), accounts.has_passwords());
    Ways { tokens, passwords, certificates: !accounts.is_empty() && !tokens && !passwords }
}

fn refused(detail: &str) -> Box<Response> {
    Box::new(problem(StatusCode::FORBIDDEN, detail))
}

/// 429, and when to come again.
pub(super) fn later(after: Duration, detail: &str) -> Box<Response> {
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, detail);
    let seconds = after.as_secs().saturating_add(1);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Box::new(response)
}

enum Shown<'a> {
    Bearer(&'a [u8]),
    Basic { name: String, password: Secret },
}

/// RFC 6750 and 7617.
fn credentials(shown: &[u8]) -> Option<Shown<'_>> {
    let at = shown.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&shown[..at], shown[at..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(Shown::Bearer(rest));
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown::Basic { name: name.to_owned(), password: Secret::from(password.to_owned()) })
}

/// Browsers say where a request comes from; other programs say nothing.
fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign_site = text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let host = text("host").unwrap_or_default();
    let foreign_origin = text("origin").is_some_and(|origin| {
        let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        named.is_none_or(|named| !named.eq_ignore_ascii_case(host))
    });
    foreign_site || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::User;

    #[test]
    fn pages_of_other_origins_are_told_by_their_headers() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect()
        };
        let host = ("host", "h:9286");
        for (pair, foreign) in [
            (("origin", "http://h:9286"), false),
            (("origin", "https://H:9286"), false),
            (("origin", "http://h:80"), true),
            (("origin", "null"), true),
            (("origin", "https://evil.example"), true),
            (("sec-fetch-site", "same-origin"), false),
            (("sec-fetch-site", "none"), false),
            (("sec-fetch-site", "cross-site"), true),
            (("sec-fetch-site", "same-site"), true),
        ] {
            assert_eq!(is_cross_origin(&headers(&[host, pair])), foreign, "{pair:?}");
        }
        assert!(!is_cross_origin(&headers(&[host])), "curl says nothing");
    }

    const PEER: Peer = Peer { address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), certificate: None };

    /// A door that knows ada by this hash.
    fn door(hash: &str) -> Door {
        let user = User {
            password_hash: Some(Secret::from(hash.to_owned())),
            certificate: None,
            rights: Right::Read,
        };
        let users = std::collections::BTreeMap::from([("ada".to_owned(), user)]);
        let from = Credentials { users, ..Credentials::default() };
        Door::new(from, true, 1_000, Clock::start()).unwrap()
    }

    async fn status(door: &Door, password: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        let shown = format!("Basic {}", BASE64_STANDARD.encode(format!("ada:{password}")));
        headers.insert(header::AUTHORIZATION, shown.parse().unwrap());
        door.enter(&PEER, &headers, false).await.map_or_else(|response| response.status(), |_| StatusCode::OK)
    }

    #[tokio::test]
    async fn wrong_passwords_are_bounded_and_right_ones_take_nothing() {
        let door = door(&bcrypt::hash("difference", 4).unwrap());
        for _login in 0..30 {
            assert_eq!(status(&door, "difference").await, StatusCode::OK);
            door.reload().unwrap();
        }
        for _guess in 0..10 {
            assert_eq!(status(&door, "engine").await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(status(&door, "engine").await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(status(&door, "difference").await, StatusCode::TOO_MANY_REQUESTS);
    }

    /// Who hangs up before the answer has guessed all the same, and a core is at work for them all the same.
    #[tokio::test]
    async fn who_hangs_up_has_guessed_and_keeps_the_turn_until_the_comparison_ends() {
        // Takes long enough that it has not ended before the next line looks.
        let door = door("$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy");
        for _guess in 0..10 {
            let begun = status(&door, "engine");
            tokio::pin!(begun);
            assert!(futures_util::poll!(begun).is_pending());
        }
        assert_eq!(door.comparing.available_permits(), 0, "one comparison goes on");
        assert_eq!(door.waiting.available_permits(), WAITING - 1, "those that waited are gone");
        assert_eq!(status(&door, "engine").await, StatusCode::TOO_MANY_REQUESTS);
    }
}
