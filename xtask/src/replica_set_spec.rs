//! Replica sets as tests ask for them.

use mongodb::bson::Document;

/// One member of the set.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSpec {
    /// 0: can never be primary.
    pub priority: f64,
    /// Not listed to clients; needs priority 0.
    pub hidden: bool,
    /// Votes and holds no data.
    pub arbiter: bool,
    /// Tags of the member, as `replSetInitiate` takes them.
    pub tags: Document,
    /// Size of its oplog in MiB, where it is not the set's.
    pub oplog_mib: Option<u32>,
}

impl Default for MemberSpec {
    fn default() -> Self {
        Self { priority: 1.0, hidden: false, arbiter: false, tags: Document::new(), oplog_mib: None }
    }
}

/// The set's root user; with one, the members run with a key file and access control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// Its password. Both must need no percent-encoding.
    pub password: String,
}

/// A replica set to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaSetSpec {
    /// The set's name.
    pub name: String,
    /// The first member initiates the set and must hold data.
    pub members: Vec<MemberSpec>,
    /// Access control, with this root user.
    pub root: Option<Credentials>,
    /// TLS only, with certificates of the stack's own authority ([`crate::Certificates`]).
    pub tls: bool,
    /// Size of every member's oplog in MiB. 1 rolls in a second or two; a test that must not lose its events takes more.
    pub oplog_mib: u32,
    /// More options for every `mongod`, e.g. `--setParameter enableTestCommands=1`.
    pub options: Vec<String>,
}

impl Default for ReplicaSetSpec {
    /// One member, no access control, an oplog of 1 MiB.
    fn default() -> Self {
        Self {
            name: "rs0".to_owned(),
            members: vec![MemberSpec::default()],
            root: None,
            tls: false,
            oplog_mib: 1,
            options: Vec::new(),
        }
    }
}

impl ReplicaSetSpec {
    /// Members that are all alike.
    #[must_use]
    pub fn of(count: usize) -> Self {
        Self { members: vec![MemberSpec::default(); count], ..Self::default() }
    }

    /// Gives every member an oplog of that size.
    #[must_use]
    pub fn with_oplog_mib(mut self, oplog_mib: u32) -> Self {
        self.oplog_mib = oplog_mib;
        self
    }

    /// Has every member speak TLS only.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Allows the server's test commands (fail points).
    #[must_use]
    pub fn with_test_commands(mut self) -> Self {
        self.options.extend(["--setParameter".to_owned(), "enableTestCommands=1".to_owned()]);
        self
    }

    /// Turns access control on; a root user of that name and password is created.
    #[must_use]
    pub fn with_root(mut self, user: &str, password: &str) -> Self {
        self.root = Some(Credentials { user: user.to_owned(), password: password.to_owned() });
        self
    }
}
