//! What is known of one member's oplog, and which members a connector can read from.

use super::{Observed, ReadPreference, Timestamp};
use std::collections::BTreeMap;

/// What a member is at the time of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Holds data and may be read.
    Secondary,
    /// Holds no data.
    Arbiter,
    /// Starting, recovering, removed or unreachable.
    Other,
}

impl Role {
    /// The word that JSON and the table carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Arbiter => "arbiter",
            Self::Other => "other",
        }
    }
}

/// The oldest entry of an oplog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstEntry {
    /// Its time.
    pub time: Timestamp,
    /// It is the no-op `initiating set`: nothing was ever truncated (the server's own test, `CheckResumability`).
    pub initiating: bool,
}

/// Size and limits of an oplog; read more seldom than its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OplogSizes {
    /// Logical size, bytes.
    pub size_bytes: Option<u64>,
    /// Configured maximum, bytes; may be overshot.
    pub max_size_bytes: Option<u64>,
    /// `oplogMinRetentionHours` in seconds, where configured.
    pub min_retention_seconds: Option<u64>,
}

/// One member of a deployment, as seen in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFacts {
    /// `host:port` as the replica set knows it.
    pub host: String,
    /// Its role when `first` was read.
    pub role: Role,
    /// It can become primary: listed in `hosts` of `hello`, not in `passives`.
    pub electable: bool,
    /// Its replica set tags.
    pub tags: BTreeMap<String, String>,
    /// `maxWireVersion`: 13 and above is MongoDB 5.0 and newer.
    pub wire_version: Option<i32>,
    /// Oldest entry.
    pub first: Observed<FirstEntry>,
    /// Newest entry's time.
    pub last: Observed<Timestamp>,
    /// Term of the newest entry.
    pub term: Option<i64>,
    /// Sizes, as far as they are known.
    pub sizes: OplogSizes,
}

impl MemberFacts {
    /// Seconds between the oldest and the newest entry, where both are known.
    #[must_use]
    pub fn window_seconds(&self) -> Option<i64> {
        let (first, last) = (self.first.ok()?, self.last.ok()?);
        Some(i64::from(last.t) - i64::from(first.time.t))
    }

    /// Seconds until this oplog begins to truncate if it fills at its average rate so far: 0 for one that has been
    /// truncated before, unknown without sizes.
    #[must_use]
    pub fn seconds_until_truncation(&self) -> Option<i64> {
        if !self.first.ok()?.initiating {
            return Some(0);
        }
        let window = u128::try_from(self.window_seconds()?).ok()?;
        let (size, max) = (u128::from(self.sizes.size_bytes?), u128::from(self.sizes.max_size_bytes?));
        if size == 0 {
            return None;
        }
        i64::try_from(window * max.saturating_sub(size) / size).ok()
    }
}

/// The members that one connection string can read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// `directConnection=true`: this `host:port` alone.
    Direct(String),
    /// By read preference; a member must match one of the tag sets, if there are any.
    Preference {
        /// The mode.
        preference: ReadPreference,
        /// `readPreferenceTags`, in order.
        tag_sets: Vec<BTreeMap<String, String>>,
    },
}

impl Selection {
    /// Every member that could be selected now or after the next change of roles that the mode foresees.
    #[must_use]
    pub fn candidates<'a>(&self, members: &'a [MemberFacts]) -> Vec<&'a MemberFacts> {
        members.iter().filter(|member| self.can_select(member)).collect()
    }

    fn can_select(&self, member: &MemberFacts) -> bool {
        let (preference, tag_sets) = match self {
            Self::Direct(host) => return member.host.eq_ignore_ascii_case(host),
            Self::Preference { preference, tag_sets } => (*preference, tag_sets),
        };
        let tagged = tag_sets.is_empty()
            || tag_sets.iter().any(|set| set.iter().all(|(k, v)| member.tags.get(k) == Some(v)));
        let (primary, secondary) = match preference {
            ReadPreference::Primary => (true, false),
            ReadPreference::PrimaryPreferred | ReadPreference::SecondaryPreferred => (true, tagged),
            ReadPreference::Secondary => (false, tagged),
            ReadPreference::Nearest => (tagged, tagged),
        };
        match member.role {
            Role::Primary => primary,
            // A member that does not answer may be a secondary that the connector still reaches.
            Role::Secondary | Role::Other => secondary,
            Role::Arbiter => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, role: Role, dc: &str) -> MemberFacts {
        MemberFacts {
            host: host.into(),
            role,
            electable: true,
            tags: BTreeMap::from([("dc".to_owned(), dc.to_owned())]),
            wire_version: Some(17),
            first: Ok(FirstEntry { time: Timestamp { t: 100, i: 1 }, initiating: false }),
            last: Ok(Timestamp { t: 300, i: 1 }),
            term: Some(1),
            sizes: OplogSizes::default(),
        }
    }

    #[track_caller]
    fn check(preference: ReadPreference, tags: &[&str], expected: &[&str]) {
        let members = [
            member("a:1", Role::Primary, "ny"),
            member("b:1", Role::Secondary, "ny"),
            member("c:1", Role::Secondary, "sf"),
            member("d:1", Role::Arbiter, "ny"),
        ];
        let tag_sets = tags.iter().map(|dc| BTreeMap::from([("dc".to_owned(), (*dc).to_owned())])).collect();
        let chosen = Selection::Preference { preference, tag_sets };
        let hosts: Vec<_> = chosen.candidates(&members).iter().map(|m| m.host.clone()).collect();
        assert_eq!(hosts, expected);
    }

    #[test]
    fn read_preference_and_tags_choose_members() {
        check(ReadPreference::Primary, &[], &["a:1"]);
        check(ReadPreference::Primary, &["sf"], &["a:1"]);
        check(ReadPreference::Secondary, &[], &["b:1", "c:1"]);
        check(ReadPreference::Secondary, &["sf"], &["c:1"]);
        check(ReadPreference::SecondaryPreferred, &["sf"], &["a:1", "c:1"]);
        check(ReadPreference::Nearest, &["ny"], &["a:1", "b:1"]);
        check(ReadPreference::Nearest, &[], &["a:1", "b:1", "c:1"]);
    }

    #[test]
    fn a_filling_oplog_has_time_until_it_truncates() {
        let mut filling = member("a:1", Role::Primary, "ny");
        filling.first = Ok(FirstEntry { time: Timestamp { t: 100, i: 1 }, initiating: true });
        assert_eq!(filling.seconds_until_truncation(), None, "sizes are not known");
        filling.sizes =
            OplogSizes { size_bytes: Some(25), max_size_bytes: Some(100), min_retention_seconds: None };
        assert_eq!(filling.seconds_until_truncation(), Some(600), "200 s filled a quarter");
        filling.first = Ok(FirstEntry { time: Timestamp { t: 100, i: 1 }, initiating: false });
        assert_eq!(filling.seconds_until_truncation(), Some(0));
    }
}
