//! Rights that help and are not needed: where one is missing, it is said which, and what is not known without it.

use mongodb::error::{Error, ErrorKind};
use std::collections::BTreeSet;

/// One right, in the order in which they are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// `find` on `local.oplog.rs`; `serverStatus` stands in for it.
    FindOplog,
    /// `collStats` on `local.oplog.rs`.
    CollStats,
    /// `serverStatus` on the cluster.
    ServerStatus,
    /// `inprog` on the cluster.
    InProg,
    /// `listCollections` on a database.
    ListCollections(String),
}

/// `Unauthorized`, and Atlas' own.
const UNAUTHORIZED: [i32; 2] = [13, 8000];

impl Right {
    /// Itself, if it is what an error complains about.
    pub(super) fn missing_in(self, error: Option<&Error>) -> Option<Self> {
        let ErrorKind::Command(command) = error?.kind.as_ref() else { return None };
        UNAUTHORIZED.contains(&command.code).then_some(self)
    }

    fn words(&self) -> String {
        match self {
            Self::FindOplog => "find on local.oplog.rs (its bounds are taken from serverStatus)".to_owned(),
            Self::CollStats => "collStats on local.oplog.rs (how large it may grow)".to_owned(),
            Self::ServerStatus => "serverStatus (how long it is kept at the least)".to_owned(),
            Self::InProg => "inprog (open change streams)".to_owned(),
            Self::ListCollections(database) => {
                format!("listCollections on {database} (whether a collection was dropped)")
            }
        }
    }
}

/// One line about all that are missing; `None` where none is.
pub(super) fn lacking(missing: &BTreeSet<Right>) -> Option<String> {
    let words: Vec<String> = missing.iter().map(Right::words).collect();
    (!words.is_empty()).then(|| format!("the user lacks what would tell more: grant {}", words.join(", ")))
}
