//! A connector's `connection.uri`: another tenant's input, read with suspicion.

use super::{Observed, Selection, Why};
use std::collections::BTreeMap;

/// Read preference of a connection string (MongoDB connection string specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPreference {
    /// The default.
    Primary,
    /// The primary, a secondary while there is none.
    PrimaryPreferred,
    /// Secondaries only.
    Secondary,
    /// Secondaries, the primary while there is none.
    SecondaryPreferred,
    /// Any of them.
    Nearest,
}

/// Why a connector's own connection string is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It holds a placeholder that only Connect can resolve.
    Placeholder,
    /// This option reads a file, reaches for cloud credentials or goes through a proxy; the name is lower-cased.
    Option(String),
    /// This authentication mechanism is not for strangers.
    Mechanism(String),
}

/// A parsed connection string. Its `Debug` form shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    srv: bool,
    userinfo: Option<String>,
    hosts: Vec<String>,
    hosts_are_known: bool,
    placeholder: bool,
    options_are_hidden: bool,
    database: Option<String>,
    options: Vec<(String, String)>,
}

/// Stands for a `${…}` while the text around it is taken apart; cannot occur in a URI.
const PLACEHOLDER: char = '\u{1}';

/// Options that are handed on: they say who we are, how to reach the set, and nothing that touches this machine.
const PASSED_ON: [&str; 7] = [
    "authsource",
    "replicaset",
    "tls",
    "ssl",
    "tlsinsecure",
    "tlsallowinvalidcertificates",
    "directconnection",
];

/// Options without which the connection cannot work, and which we do not follow for a stranger.
const REFUSED: [&str; 9] = [
    "tlscafile",
    "tlscertificatekeyfile",
    "tlscertificatekeyfilepassword",
    "tlscrlfile",
    "authmechanismproperties",
    "proxyhost",
    "proxyport",
    "proxyusername",
    "proxypassword",
];

impl ConnectionString {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// [`Why::UriPlaceholder`] where the text as a whole is a placeholder, [`Why::UriInvalid`] where it is no
    /// MongoDB connection string.
    pub fn parse(text: &str) -> Observed<Self> {
        let (text, placeholder) = mask_placeholders(text.trim());
        let (srv, rest) = if let Some(rest) = text.strip_prefix("mongodb+srv://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("mongodb://") {
            (false, rest)
        } else {
            return Err(if placeholder { Why::UriPlaceholder } else { Why::UriInvalid });
        };
        let (authority, tail) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (userinfo, hosts) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => (Some(userinfo.to_owned()), hosts),
            None => (None, authority),
        };
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let options_are_hidden = tail.contains(PLACEHOLDER);
        let database = path.strip_prefix('/').filter(|name| !name.is_empty()).map(str::to_owned);
        let mut sorted: Vec<String> = hosts.split(',').map(host_as_the_driver_keeps_it).collect();
        if sorted.iter().any(String::is_empty) {
            return Err(Why::UriInvalid);
        }
        sorted.sort();
        Ok(Self {
            srv,
            userinfo,
            hosts_are_known: !hosts.contains(PLACEHOLDER),
            hosts: sorted,
            placeholder,
            options_are_hidden,
            database,
            options: options(query),
        })
    }

    /// Hosts as the Java driver keeps them: sorted, as written, no port added.
    ///
    /// # Errors
    /// [`Why::UriPlaceholder`] where a placeholder stands among them.
    pub fn hosts(&self) -> Observed<&[String]> {
        if self.hosts_are_known { Ok(&self.hosts) } else { Err(Why::UriPlaceholder) }
    }

    /// The key under which the connector stores its position when `offset.partition.name` is not set
    /// (`MongoSourceTask.createDefaultPartitionName` in mongo-kafka, since 1.3.0).
    ///
    /// # Errors
    /// [`Why::UriPlaceholder`] where the hosts are not known.
    pub fn partition_name(&self, database: &str, collection: &str) -> Observed<String> {
        let scheme = if self.srv { "mongodb+srv" } else { "mongodb" };
        let hosts = self.hosts()?.join(",");
        let dot = if collection.is_empty() { "" } else { "." };
        Ok(format!("{scheme}://{hosts}/{database}{dot}{collection}"))
    }

    /// `replicaSet`, where it is given.
    #[must_use]
    pub fn replica_set(&self) -> Option<&str> {
        self.option("replicaset")
    }

    /// Which members a client with this string may read from. Where a placeholder may hide an option, so is this.
    #[must_use]
    pub fn selection(&self) -> Selection {
        let direct = self.option("directconnection").map(|value| value.eq_ignore_ascii_case("true"));
        let alone = self.hosts.len() == 1 && self.option("replicaset").is_none() && !self.srv;
        if self.options_are_hidden {
            return Selection::Hidden;
        }
        if direct.unwrap_or(alone) {
            return Selection::Direct(with_port(&self.hosts[0]));
        }
        self.preference()
    }

    /// The same where the hosts are routers of a sharded cluster: they select members, whoever connects to how many of them.
    #[must_use]
    pub fn selection_by_routers(&self) -> Selection {
        if self.options_are_hidden { Selection::Hidden } else { self.preference() }
    }

    fn preference(&self) -> Selection {
        let preference = match self.option("readpreference").map(str::to_ascii_lowercase).as_deref() {
            Some("primarypreferred") => ReadPreference::PrimaryPreferred,
            Some("secondary") => ReadPreference::Secondary,
            Some("secondarypreferred") => ReadPreference::SecondaryPreferred,
            Some("nearest") => ReadPreference::Nearest,
            _ => ReadPreference::Primary,
        };
        let tag_sets = self
            .options
            .iter()
            .filter(|(key, _)| key == "readpreferencetags")
            .map(|(_, value)| tag_set(value))
            .collect();
        // -1 is written for none.
        let max_staleness = self.option("maxstalenessseconds").and_then(|seconds| seconds.parse().ok());
        Selection::Preference { preference, tag_sets, max_staleness }
    }

    /// The same string with allow-listed options only, for reading with the connector's own credentials.
    /// The result holds those credentials: treat it as a secret.
    ///
    /// # Errors
    /// A [`Refusal`] where the string cannot work without something that is not done for a stranger.
    pub fn for_reading(&self) -> Result<String, Refusal> {
        if self.placeholder {
            return Err(Refusal::Placeholder);
        }
        if let Some((key, _)) = self.options.iter().find(|(key, _)| REFUSED.contains(&key.as_str())) {
            return Err(Refusal::Option(key.clone()));
        }
        let mechanism = self.option("authmechanism").unwrap_or("DEFAULT");
        if !["DEFAULT", "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"].contains(&mechanism) {
            return Err(Refusal::Mechanism(mechanism.to_owned()));
        }
        let scheme = if self.srv { "mongodb+srv" } else { "mongodb" };
        let userinfo = self.userinfo.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
        let database = self.database.as_deref().unwrap_or("");
        let mut passed: Vec<String> = self
            .options
            .iter()
            .filter(|(key, _)| PASSED_ON.contains(&key.as_str()))
            .map(|(key, value)| {
                let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                format!("{key}={value}")
            })
            .collect();
        if mechanism != "DEFAULT" {
            passed.push(format!("authmechanism={mechanism}"));
        }
        let query = if passed.is_empty() { String::new() } else { format!("?{}", passed.join("&")) };
        Ok(format!("{scheme}://{userinfo}{}/{database}{query}", self.hosts.join(",")))
    }

    /// An operator's string with a user and more options; everything else stays as it is written.
    /// The result holds the password: treat it as a secret.
    ///
    /// # Errors
    /// What stands in the string already: the name of an option, or `the user`.
    pub fn amended(text: &str, user: Option<(&str, &str)>, more: &[(&str, &str)]) -> Result<String, String> {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("mongodb", text));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = match user {
            Some(_) if authority.contains('@') => return Err("the user".to_owned()),
            Some((user, password)) => format!("{}:{}@{authority}", encoded(user), encoded(password)),
            None => authority.to_owned(),
        };
        let given = options(query);
        let mut query: Vec<String> = (!query.is_empty()).then(|| query.to_owned()).into_iter().collect();
        for (key, value) in more {
            let same = |name: &str| name.eq_ignore_ascii_case(key) || *key == "tls" && name == "ssl";
            match given.iter().find(|(name, _)| same(name)) {
                // That it is switched on may be said twice.
                Some((_, said)) if *key == "tls" && said == value => {}
                Some(_) => return Err((*key).to_owned()),
                None => query.push(format!("{key}={}", encoded(value))),
            }
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Ok(format!("{scheme}://{authority}/{path}{query}"))
    }

    fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

impl std::fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionString")
            .field("srv", &self.srv)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Replaces every `${…}` by one character, so that the slashes and colons inside do not take part in parsing.
fn mask_placeholders(text: &str) -> (String, bool) {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some((before, inside)) = rest.split_once("${") {
        found = true;
        masked.push_str(before);
        masked.push(PLACEHOLDER);
        rest = inside.split_once('}').map_or("", |(_, after)| after);
    }
    masked.push_str(rest);
    (masked, found)
}

/// The Java driver URL-decodes the paths of Unix sockets and leaves every other host as it is written.
fn host_as_the_driver_keeps_it(host: &str) -> String {
    if host.ends_with(".sock") { host.replace("%2F", "/").replace("%2f", "/") } else { host.to_owned() }
}

/// `h` as `h:27017`, `[::1]` as `[::1]:27017`; what has a port keeps it.
#[must_use]
pub fn with_port(host: &str) -> String {
    let after_bracket = host.rsplit(']').next().unwrap_or(host);
    if after_bracket.contains(':') || host.ends_with(".sock") {
        host.to_owned()
    } else {
        format!("{host}:27017")
    }
}

fn options(query: &str) -> Vec<(String, String)> {
    query
        .split(['&', ';'])
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| {
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            (key.to_ascii_lowercase(), value.into_owned())
        })
        .collect()
}

fn tag_set(text: &str) -> BTreeMap<String, String> {
    text.split(',')
        .filter_map(|pair| pair.split_once(':'))
        .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn partition(uri: &str, database: &str, collection: &str, expected: &str) {
        let parsed = ConnectionString::parse(uri).unwrap();
        assert_eq!(parsed.partition_name(database, collection).as_deref(), Ok(expected));
    }

    #[test]
    fn the_live_key_is_computed_as_the_connector_does() {
        partition("mongodb://127.0.0.1:28017/?replicaSet=rs0", "db", "a", "mongodb://127.0.0.1:28017/db.a");
        partition("mongodb://h2:27017,h1:27017/", "", "", "mongodb://h1:27017,h2:27017/");
        partition("mongodb://u:p%40ss@h/admin?w=1", "db", "", "mongodb://h/db");
        partition("mongodb+srv://u:p@cluster.example/x", "db", "c", "mongodb+srv://cluster.example/db.c");
        partition("mongodb://B,a", "db", "c", "mongodb://B,a/db.c");
        partition(
            "mongodb://%2Ftmp%2Fmongodb-27017.sock/",
            "d",
            "c",
            "mongodb:///tmp/mongodb-27017.sock/d.c",
        );
        partition("mongodb://${file:/etc/s:user}:${file:/etc/s:pw}@h1/", "d", "c", "mongodb://h1/d.c");
    }

    #[test]
    fn a_placeholder_is_no_uri_and_garbage_neither() {
        assert_eq!(ConnectionString::parse("${file:/etc/s.properties:uri}"), Err(Why::UriPlaceholder));
        assert_eq!(ConnectionString::parse("http://h"), Err(Why::UriInvalid));
        assert_eq!(ConnectionString::parse(""), Err(Why::UriInvalid));
        assert_eq!(ConnectionString::parse("mongodb:///db"), Err(Why::UriInvalid));
        let hosts = ConnectionString::parse("mongodb://${env:HOSTS}/db").unwrap();
        assert_eq!(hosts.partition_name("d", "c"), Err(Why::UriPlaceholder));
    }

    #[test]
    fn a_strangers_string_is_rebuilt_from_allowed_options_only() {
        let uri = "mongodb://u:p@b,a/db?authSource=x&replicaSet=rs0&retryWrites=true&appName=z&readPreference=nearest";
        let parsed = ConnectionString::parse(uri).unwrap();
        assert_eq!(parsed.for_reading().unwrap(), "mongodb://u:p@a,b/db?authsource=x&replicaset=rs0");
        let refused = |uri: &str| ConnectionString::parse(uri).unwrap().for_reading().unwrap_err();
        assert_eq!(refused("mongodb://h/?tlsCAFile=/etc/shadow"), Refusal::Option("tlscafile".into()));
        assert_eq!(
            refused("mongodb://h/?authMechanism=MONGODB-AWS"),
            Refusal::Mechanism("MONGODB-AWS".into())
        );
        assert_eq!(refused("mongodb://${env:U}@h/"), Refusal::Placeholder);
    }

    #[test]
    fn selection_follows_read_preference_tags_and_direct_connection() {
        let selection = |uri: &str| ConnectionString::parse(uri).unwrap().selection();
        let primary = Selection::Preference {
            preference: ReadPreference::Primary,
            tag_sets: vec![],
            max_staleness: None,
        };
        assert_eq!(selection("mongodb://h/?replicaSet=rs0"), primary);
        assert_eq!(selection("mongodb://h,i/"), primary);
        assert_eq!(selection("mongodb+srv://h/"), primary);
        assert_eq!(selection("mongodb://h/?directConnection=false"), primary);
        assert_eq!(
            selection("mongodb://h/"),
            Selection::Direct("h:27017".into()),
            "as the Java driver has it"
        );
        assert_eq!(selection("mongodb://h,i/?directConnection=true"), Selection::Direct("h:27017".into()));
        let tagged = "mongodb://h,i/?readPreference=secondary&maxStalenessSeconds=120&readPreferenceTags=dc%3Any,rack:1&readPreferenceTags=";
        let Selection::Preference { preference, tag_sets, max_staleness } = selection(tagged) else {
            panic!("a preference")
        };
        assert_eq!((preference, max_staleness), (ReadPreference::Secondary, Some(120)));
        let by_routers = |uri: &str| ConnectionString::parse(uri).unwrap().selection_by_routers();
        assert_eq!(by_routers("mongodb://h/"), selection("mongodb://h,i/"));
        assert_eq!(by_routers("mongodb://h/?${env:OPTIONS}"), Selection::Hidden);
        assert_eq!(tag_sets.len(), 2);
        assert_eq!(tag_sets[0].get("dc").map(String::as_str), Some("ny"));
        assert!(tag_sets[1].is_empty());
        for hidden in ["mongodb://h,i/?readPreference=${env:RP}", "mongodb://h,i/${env:REST}?${env:OPTIONS}"]
        {
            assert_eq!(selection(hidden), Selection::Hidden, "{hidden}");
        }
    }

    #[test]
    fn read_preferences_are_told_apart_however_they_are_written() {
        let options =
            ["primary", "PRIMARYPREFERRED", "secondary", "secondaryPreferred", "nearest", "unheard-of"];
        let read = options.map(|value| {
            let uri = format!("mongodb://h,i/?readPreference={value}");
            let Selection::Preference { preference, .. } = ConnectionString::parse(&uri).unwrap().selection()
            else {
                panic!("{uri} names a preference")
            };
            preference
        });
        use ReadPreference::{Nearest, Primary, PrimaryPreferred, Secondary, SecondaryPreferred};
        assert_eq!(read, [Primary, PrimaryPreferred, Secondary, SecondaryPreferred, Nearest, Primary]);
    }

    #[test]
    fn an_operators_string_is_amended_and_nothing_is_said_twice() {
        let user = Some(("me", "p@ss/w:rd"));
        let more = [("tls", "true"), ("tlsCAFile", "/etc/a b.pem")];
        let amended = |text: &str, user| ConnectionString::amended(text, user, &more);
        assert_eq!(
            amended("mongodb://h,i", user).unwrap(),
            "mongodb://me:p%40ss%2Fw%3Ard@h,i/?tls=true&tlsCAFile=%2Fetc%2Fa%20b%2Epem"
        );
        assert_eq!(
            amended("mongodb+srv://h/x?replicaSet=rs&ssl=true", None).unwrap(),
            "mongodb+srv://h/x?replicaSet=rs&ssl=true&tlsCAFile=%2Fetc%2Fa%20b%2Epem"
        );
        assert_eq!(amended("mongodb://u:p@h/", user), Err("the user".to_owned()));
        assert_eq!(amended("mongodb://h/?tlscafile=/x", None), Err("tlsCAFile".to_owned()));
        assert_eq!(amended("mongodb://h/?tls=false", None), Err("tls".to_owned()));
        assert_eq!(ConnectionString::amended("mongodb://h", None, &[]).unwrap(), "mongodb://h/");
    }

    #[test]
    fn the_replica_set_is_the_one_that_is_given() {
        let set = |uri: &str| ConnectionString::parse(uri).unwrap().replica_set().map(str::to_owned);
        assert_eq!(set("mongodb://h/?w=1&replicaSet=rs%2D0").as_deref(), Some("rs-0"));
        assert_eq!(set("mongodb://h/?w=1"), None);
    }

    #[test]
    fn hosts_without_a_port_have_the_usual_one() {
        for (host, expected) in [
            ("h", "h:27017"),
            ("h:1", "h:1"),
            ("[::1]", "[::1]:27017"),
            ("[::1]:1", "[::1]:1"),
            ("/tmp/mongodb-27017.sock", "/tmp/mongodb-27017.sock"),
        ] {
            assert_eq!(with_port(host), expected);
        }
    }

    #[test]
    fn debug_shows_no_credentials() {
        let parsed = ConnectionString::parse("mongodb://user:hunter2@h/").unwrap();
        assert_eq!(format!("{parsed:?}"), r#"ConnectionString { srv: false, hosts: ["h"], .. }"#);
    }
}
