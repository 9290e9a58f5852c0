//! Who is known, by what they show, and what they may do.

use super::certificate::plain;
use super::files;
use crate::config::Secret;
use crate::config::http::{Credentials, Place, Right, User, check_token};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A hash that nobody's password has; whoever is unknown is compared with it, so that they cost as long.
const NOBODYS: &str = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
/// bcrypt looks at no more: longer passwords would be cut in silence.
pub(super) const LONGEST_PASSWORD: usize = 72;
/// Every step doubles the time; 14 takes about a second.
const GREATEST_COST: u32 = 14;

/// Somebody who was recognised, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// As the journal names them.
    pub name: String,
    /// What they may.
    pub right: Right,
}

/// Everybody who is known, as the files say at the moment.
#[derive(Debug, Default)]
pub struct Accounts {
    tokens: Vec<(Secret, Known)>,
    users: BTreeMap<String, User>,
    certificates: bool,
    nobody: String,
}

impl Accounts {
    /// Reads the files.
    ///
    /// # Errors
    /// One line with the key of the configuration and what to do.
    pub fn load(from: &Credentials) -> Result<Self, String> {
        let mut tokens: Vec<(Secret, Known)> = Vec::new();
        let places = [
            ("http.token", &from.token, "token", Right::Change),
            ("http.read_token", &from.read_token, "read token", Right::Read),
        ];
        for (key, place, name, right) in places {
            let Some(place) = place else { continue };
            let token = secret(key, place)?;
            check_token(token.expose()).map_err(|line| format!("{key}: {line}"))?;
            if tokens.iter().any(|(other, _)| other.expose() == token.expose()) {
                return Err(format!("{key}: is the same as http.token, which may change"));
            }
            tokens.push((token, Known { name: name.to_owned(), right }));
        }
        let mut users = from.users.clone();
        if let Some(file) = &from.users_file {
            let text = files::read_text(file).map_err(|line| format!("http.users_file: {line}"))?;
            for (number, line) in text.lines().enumerate() {
                let at = |problem: String| {
                    format!("http.users_file: {}, line {}: {problem}", file.display(), number + 1)
                };
                let Some((name, user)) = entry(line).map_err(at)? else { continue };
                if users.insert(name.clone(), user).is_some() {
                    return Err(at(format!("{name} is given twice, here or in [http.users.{name}]")));
                }
            }
        }
        let mut greatest = 4;
        for (name, user) in &users {
            if let Some(hash) = &user.password_hash {
                let cost =
                    cost(hash.expose()).map_err(|line| format!("http.users.{name}.password_hash: {line}"))?;
                greatest = greatest.max(cost);
            }
        }
        let nobody = format!("$2b${greatest:02}${NOBODYS}");
        Ok(Self { tokens, users, certificates: from.certificates, nobody })
    }

    /// Whether nobody is known.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.users.is_empty() && !self.certificates
    }

    /// Whether somebody shows a password.
    pub(super) fn has_passwords(&self) -> bool {
        self.users.values().any(|user| user.password_hash.is_some())
    }

    /// Whether somebody shows a token.
    pub(super) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whose a bearer token is. Each known one is compared whole.
    pub(super) fn by_token(&self, shown: &[u8]) -> Option<Known> {
        let each = self.tokens.iter().map(|(token, known)| (same(shown, token.expose().as_bytes()), known));
        each.fold(None, |found, (is_it, known)| if is_it { Some(known.clone()) } else { found })
    }

    /// The hash that a user's password must have, and what they may then; of an unknown one the hash that fits nobody.
    pub(super) fn by_name(&self, name: &str) -> (Secret, Option<Known>) {
        let found = self.users.get(name).and_then(|user| Some((user.password_hash.clone()?, user.rights)));
        match found {
            Some((hash, right)) => (hash, Some(Known { name: name.to_owned(), right })),
            None => (Secret::from(self.nobody.clone()), None),
        }
    }

    /// Whose a certificate is, by its names. The authority has signed for whoever is not named: they may read.
    pub(super) fn by_certificate(&self, names: &[String]) -> Known {
        let is = |user: &User| user.certificate.as_ref().is_some_and(|name| names.contains(name));
        match self.users.iter().find(|(_, user)| is(user)) {
            Some((name, user)) => Known { name: name.clone(), right: user.rights },
            None => {
                let name = names.first().map_or_else(|| "without a name".to_owned(), |name| plain(name));
                Known { name: format!("certificate {name}"), right: Right::Read }
            }
        }
    }
}

/// Every file that says who is known.
pub(super) fn watched(from: &Credentials) -> Vec<PathBuf> {
    let files = [&from.token, &from.read_token].into_iter().filter_map(|place| match place {
        Some(Place::File(file)) => Some(file.clone()),
        Some(Place::Here(_)) | None => None,
    });
    files.chain(from.users_file.clone()).collect()
}

fn secret(key: &str, place: &Place) -> Result<Secret, String> {
    match place {
        Place::Here(secret) => Ok(secret.clone()),
        Place::File(file) => {
            let text = files::read_text(file).map_err(|line| format!("{key}_file: {line}"))?;
            Ok(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

/// A line of `users_file`: `name:hash[:rights]`, as `htpasswd -B` writes the first two.
fn entry(line: &str) -> Result<Option<(String, User)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut parts = line.split(':');
    let (Some(name), Some(hash), rights, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("write NAME:HASH or NAME:HASH:RIGHTS; `htpasswd -nB NAME` makes one".to_owned());
    };
    cost(hash)?;
    let user = User {
        password_hash: Some(Secret::from(hash.to_owned())),
        certificate: None,
        rights: Right::parse(rights.unwrap_or("read"))?,
    };
    Ok(Some((name.to_owned(), user)))
}

/// The cost of a bcrypt hash. The hash itself is in no error.
fn cost(hash: &str) -> Result<u32, String> {
    let parts: bcrypt::HashParts =
        hash.parse().map_err(|_| "is no bcrypt hash; `htpasswd -nB NAME` makes one".to_owned())?;
    match parts.get_cost() {
        cost if cost <= GREATEST_COST => Ok(cost),
        cost => Err(format!("a cost of {cost} takes too long for each login; at most {GREATEST_COST}")),
    }
}

/// Takes as long for a guess that is nearly right as for any other of that length.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |bits, (a, b)| std::hint::black_box(bits | (a ^ b)));
    shown.len() == token.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    #[test]
    fn only_the_whole_token_counts() {
        let token = Some(Place::Here(Secret::from("0123456789abcdef".to_owned())));
        let accounts = Accounts::load(&Credentials { token, ..Credentials::default() }).unwrap();
        assert_eq!(accounts.by_token(b"0123456789abcdef").unwrap().right, Right::Change);
        for guess in [&b"0123456789abcdeF"[..], b"0123456789abcde", b"0123456789abcdef0", b""] {
            assert_eq!(accounts.by_token(guess), None, "{guess:?}");
        }
    }

    #[test]
    fn a_file_of_users_is_read_line_by_line_and_says_which_line_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        let from = Credentials { users_file: Some(file.clone()), ..Credentials::default() };
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Accounts::load(&from).map_err(|line| line.replace(&file.display().to_string(), "FILE"))
        };
        let (ada, bob) = (hash("difference"), hash("builder"));
        let accounts = load(&format!("# people\n\nada:{ada}:change\nbob:{bob}\n")).unwrap();
        assert_eq!(accounts.by_name("ada").1, Some(Known { name: "ada".into(), right: Right::Change }));
        assert_eq!(accounts.by_name("bob").1.unwrap().right, Right::Read);
        let (hash, nobody) = accounts.by_name("eve");
        assert_eq!((cost(hash.expose()), nobody), (Ok(4), None));
        assert!(!bcrypt::verify("", hash.expose()).unwrap(), "the hash of nobody is a whole one");
        for (text, says) in [
            ("ada".to_owned(), "FILE, line 1: write NAME:HASH or"),
            (format!("\nada:{ada}:root"), "FILE, line 2: `root` is none of"),
            (format!("ada:{ada}\nada:{bob}"), "FILE, line 2: ada is given twice"),
            ("ada:{SHA}x".to_owned(), "FILE, line 1: is no bcrypt hash"),
            (format!("ada:{}", ada.replace("$04$", "$15$")), "a cost of 15 takes too long"),
        ] {
            let line = load(&text).map(drop).unwrap_err();
            assert!(line.contains(says) && line.lines().count() == 1, "{says} in {line}");
            assert!(!line.contains(&ada[7..]), "{line}");
        }
    }

    #[test]
    fn a_certificate_is_whose_it_names_and_reads_where_nobody_is_named() {
        let user = |certificate: &str, rights| User {
            password_hash: None,
            certificate: Some(certificate.into()),
            rights,
        };
        let users = BTreeMap::from([("ada".to_owned(), user("ada.example", Right::Change))]);
        let accounts =
            Accounts::load(&Credentials { users, certificates: true, ..Credentials::default() }).unwrap();
        let known = |names: &[&str]| {
            accounts.by_certificate(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(known(&["x", "ada.example"]), Known { name: "ada".into(), right: Right::Change });
        assert_eq!(known(&["eve"]), Known { name: "certificate eve".into(), right: Right::Read });
        assert_eq!(known(&[]).right, Right::Read);
        let long = format!("ada.example{}", "x".repeat(99));
        assert_eq!(
            known(&[&long]),
            Known { name: format!("certificate {}", &long[..64]), right: Right::Read }
        );
    }
}
