//! What is known of one member's oplog, and which members a connector can read from.

use super::{Observed, ReadPreference, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

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
    /// `oplogMinRetentionHours` in seconds; 0 where none is configured, `None` where that could not be read.
    pub min_retention_seconds: Option<u64>,
}

/// One open change stream as the server shows it (`$currentOp` with `idleCursors`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeStream {
    /// `database.collection`, `database`, or empty for everything.
    pub namespace: String,
    /// When its cursor was created, milliseconds since 1970 by the server's clock.
    pub created_ms: i64,
    /// When it was last read, where the server tells.
    pub last_read: Option<i64>,
    /// Where it was told to begin.
    pub start: StreamStart,
}

/// Where a change stream was told to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStart {
    /// At the moment of its creation.
    Now,
    /// At a time (`startAtOperationTime`).
    At(Timestamp),
    /// After a token of this time (`startAfter`, `resumeAfter`).
    After(Timestamp),
    /// After a token that names no time.
    Unreadable,
}

impl ChangeStream {
    /// When its cursor was created, seconds since 1970 by the server's clock.
    #[must_use]
    pub fn created_seconds(&self) -> i64 {
        self.created_ms.div_euclid(1000)
    }

    /// The same as a time of the oplog, at the end of that second.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        Timestamp { t: u32::try_from(self.created_seconds()).unwrap_or(0), i: u32::MAX }
    }

    /// It was opened with a resume token.
    #[must_use]
    pub fn with_a_token(&self) -> bool {
        matches!(self.start, StreamStart::After(_) | StreamStart::Unreadable)
    }
}

/// One member of a deployment, as seen in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFacts {
    /// `host:port` as the replica set knows it.
    pub host: String,
    /// The shard that it is of, in a sharded cluster.
    pub shard: Option<String>,
    /// Every address that is known to lead to it, that one included.
    pub addresses: BTreeSet<String>,
    /// Its role when `first` was read.
    pub role: Role,
    /// Not shown to clients: only a direct connection reads from it.
    pub hidden: bool,
    /// It can become primary: listed in `hosts` of `hello`, not in `passives`.
    pub electable: bool,
    /// Its replica set tags; unknown while it does not answer.
    pub tags: Observed<BTreeMap<String, String>>,
    /// `maxWireVersion`: 13 and above is MongoDB 5.0 and newer.
    pub wire_version: Option<i32>,
    /// It has no oplog: what it keeps is bounded by time alone (Amazon DocumentDB).
    pub kept_by_time: bool,
    /// Its oplog could not be read itself; `serverStatus` has told of it, which proves what it holds, not what is lost.
    pub by_status: bool,
    /// Oldest entry.
    pub first: Observed<FirstEntry>,
    /// Newest entry's time.
    pub last: Observed<Timestamp>,
    /// Term of the newest entry.
    pub term: Option<i64>,
    /// Sizes, as far as they are known.
    pub sizes: OplogSizes,
    /// Open change streams; `None` where they may not be seen.
    pub streams: Option<Vec<ChangeStream>>,
}

/// `maxWireVersion` of MongoDB 4.4, which resumes at exactly the oldest entry (measured on 4.4.2, 5.0.4 and 6.0.5; the source of
/// 4.2 and older compares strictly, and none of them was run).
const EQUALITY_RESUMES_SINCE: i32 = 9;

impl MemberFacts {
    /// The same member in another role, without its streams.
    #[must_use]
    pub fn in_role(&self, role: Role) -> Self {
        Self {
            host: self.host.clone(),
            shard: self.shard.clone(),
            addresses: self.addresses.clone(),
            role,
            hidden: self.hidden,
            electable: self.electable,
            tags: self.tags.clone(),
            wire_version: self.wire_version,
            kept_by_time: self.kept_by_time,
            by_status: self.by_status,
            first: self.first,
            last: self.last,
            term: self.term,
            sizes: self.sizes,
            streams: None,
        }
    }

    /// A position at exactly the oldest entry resumes; of a member whose version is not known, it does not.
    #[must_use]
    pub fn resumes_at_the_oldest(&self) -> bool {
        self.wire_version.is_some_and(|version| version >= EQUALITY_RESUMES_SINCE)
    }

    /// The oldest position that resumes.
    ///
    /// # Errors
    /// Why the oldest entry is not known.
    pub fn oldest_position(&self) -> Observed<Timestamp> {
        let time = self.first?.time;
        let next = Timestamp { i: time.i.saturating_add(1), ..time };
        Ok(if self.resumes_at_the_oldest() { time } else { next })
    }

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
    /// One `host:port` alone: `directConnection=true`, or a single host without `replicaSet` (the Java driver's
    /// `ClusterSettings`).
    Direct(String),
    /// By read preference; a member must match one of the tag sets, if there are any.
    Preference {
        /// The mode.
        preference: ReadPreference,
        /// `readPreferenceTags`, in order.
        tag_sets: Vec<BTreeMap<String, String>>,
        /// `maxStalenessSeconds`: secondaries that lag more are not selected.
        max_staleness: Option<u32>,
    },
    /// A placeholder hides it: any member that holds data.
    Hidden,
}

/// Members that a connection string can select, by when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates<'a> {
    /// As things stand.
    pub now: Vec<&'a MemberFacts>,
    /// Only after a change of roles: the fallback of a mode that prefers, and members that are neither primary nor
    /// secondary yet.
    pub later: Vec<&'a MemberFacts>,
    /// A shard, or the set if there are none, has nobody to be selected now.
    pub unserved: bool,
}

/// The interval of a driver's heartbeat, by which staleness is estimated (server selection specification).
const HEARTBEAT_SECONDS: u32 = 10;

impl Selection {
    /// Sorts the members. One that does not answer counts as a secondary that the connector may still reach, and
    /// matches whatever tags are asked for; one that says that it is no secondary yet does not. In a sharded cluster the
    /// router selects in every shard.
    #[must_use]
    pub fn candidates<'a>(&self, members: &'a [MemberFacts]) -> Candidates<'a> {
        let shards: BTreeSet<Option<&str>> = members.iter().map(|member| member.shard.as_deref()).collect();
        let mut all = Candidates { unserved: shards.is_empty(), ..Candidates::default() };
        for shard in shards {
            let of_this = members.iter().filter(|member| member.shard.as_deref() == shard).collect();
            let Candidates { now, later, .. } = self.within(of_this);
            all.unserved |= now.is_empty();
            all.now.extend(now);
            all.later.extend(later);
        }
        all
    }

    /// The members of one set.
    fn within<'a>(&self, members: Vec<&'a MemberFacts>) -> Candidates<'a> {
        let of = |wanted: &dyn Fn(&MemberFacts) -> bool| {
            members.iter().copied().filter(|m| wanted(m)).collect::<Vec<_>>()
        };
        let only = |now| Candidates { now, ..Candidates::default() };
        let (preference, tag_sets, max_staleness) = match self {
            Self::Direct(host) => {
                return only(of(&|m| m.addresses.iter().any(|address| address.eq_ignore_ascii_case(host))));
            }
            Self::Hidden => return only(of(&|m| m.role != Role::Arbiter)),
            Self::Preference { preference, tag_sets, max_staleness } => {
                (*preference, tag_sets.as_slice(), *max_staleness)
            }
        };
        let primary = of(&|m| m.role == Role::Primary && !m.hidden);
        // Starting, recovering or in its initial synchronisation: it says so itself.
        let comes = of(&|m| m.role == Role::Other && m.tags.is_ok() && !m.hidden);
        let secondaries = of(&may_be_a_secondary);
        let newest = members.iter().filter_map(|m| Some((m.role == Role::Primary, m.last.ok()?))).max();
        let is_stale = |m: &MemberFacts| {
            let lag = newest.and_then(|(_, newest)| Some(newest.t.saturating_sub(m.last.ok()?.t)));
            lag.zip(max_staleness).is_some_and(|(lag, most)| lag.saturating_add(HEARTBEAT_SECONDS) > most)
        };
        let (stale, fresh) = secondaries.into_iter().partition::<Vec<_>, _>(|m| is_stale(m));
        let (secondaries, mut later) = (tagged(fresh, tag_sets), tagged([stale, comes].concat(), tag_sets));
        let now = match preference {
            ReadPreference::Primary => return only(primary),
            ReadPreference::PrimaryPreferred if primary.is_empty() => secondaries,
            ReadPreference::PrimaryPreferred => {
                later.splice(0..0, secondaries);
                primary
            }
            ReadPreference::SecondaryPreferred if secondaries.is_empty() => primary,
            ReadPreference::SecondaryPreferred => {
                later.splice(0..0, primary);
                secondaries
            }
            ReadPreference::Secondary => secondaries,
            // The tag sets are looked through over primary and secondaries together.
            ReadPreference::Nearest => {
                let eligible =
                    of(&|m| m.role == Role::Primary && !m.hidden || may_be_a_secondary(m) && !is_stale(m));
                tagged(eligible, tag_sets)
            }
        };
        Candidates { now, later, unserved: false }
    }
}

/// Selectable as a secondary, as far as that is known.
fn may_be_a_secondary(member: &MemberFacts) -> bool {
    let secondary = member.role == Role::Secondary || member.role == Role::Other && member.tags.is_err();
    secondary && !member.hidden
}

/// Those that match the first tag set which matches any (server selection specification), and those whose tags are not
/// known.
fn tagged<'a>(members: Vec<&'a MemberFacts>, tag_sets: &[BTreeMap<String, String>]) -> Vec<&'a MemberFacts> {
    let known = |m: &MemberFacts, set: &BTreeMap<String, String>| {
        m.tags.as_ref().is_ok_and(|tags| set.iter().all(|(key, value)| tags.get(key) == Some(value)))
    };
    if tag_sets.is_empty() {
        return members;
    }
    let first = tag_sets.iter().find(|set| members.iter().any(|m| known(m, set)));
    members.into_iter().filter(|m| m.tags.is_err() || first.is_some_and(|set| known(m, set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Why;

    fn member(host: &str, role: Role, dc: &str) -> MemberFacts {
        MemberFacts {
            host: host.into(),
            shard: None,
            addresses: BTreeSet::from([host.to_owned()]),
            role,
            hidden: false,
            electable: true,
            tags: Ok(BTreeMap::from([("dc".to_owned(), dc.to_owned())])),
            wire_version: Some(17),
            kept_by_time: false,
            by_status: false,
            first: Ok(FirstEntry { time: Timestamp { t: 100, i: 1 }, initiating: false }),
            last: Ok(Timestamp { t: 300, i: 1 }),
            term: Some(1),
            sizes: OplogSizes::default(),
            streams: None,
        }
    }

    #[track_caller]
    fn check(preference: ReadPreference, tags: &[&str], now: &[&str], later: &[&str]) {
        let mut silent = member("d:1", Role::Other, "?");
        silent.tags = Err(Why::MemberUnreadable);
        let mut hidden = member("h:1", Role::Secondary, "ny");
        hidden.hidden = true;
        let members = [
            member("a:1", Role::Primary, "ny"),
            member("b:1", Role::Secondary, "ny"),
            member("c:1", Role::Secondary, "sf"),
            silent,
            member("e:1", Role::Arbiter, "ny"),
            hidden,
        ];
        let tag_sets = tags.iter().map(|dc| BTreeMap::from([("dc".to_owned(), (*dc).to_owned())])).collect();
        let selection = Selection::Preference { preference, tag_sets, max_staleness: None };
        let candidates = selection.candidates(&members);
        let hosts = |members: &[&MemberFacts]| members.iter().map(|m| m.host.clone()).collect::<Vec<_>>();
        assert_eq!((hosts(&candidates.now), hosts(&candidates.later)), (hosts_of(now), hosts_of(later)));
    }

    fn hosts_of(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("{name}:1")).collect()
    }

    #[test]
    fn read_preference_and_tags_choose_members() {
        check(ReadPreference::Primary, &[], &["a"], &[]);
        check(ReadPreference::Primary, &["sf"], &["a"], &[]);
        check(ReadPreference::PrimaryPreferred, &[], &["a"], &["b", "c", "d"]);
        check(ReadPreference::Secondary, &[], &["b", "c", "d"], &[]);
        check(ReadPreference::Secondary, &["sf"], &["c", "d"], &[]);
        check(ReadPreference::Secondary, &["la", "ny", "sf"], &["b", "d"], &[]);
        check(ReadPreference::SecondaryPreferred, &["sf"], &["c", "d"], &["a"]);
        check(ReadPreference::Nearest, &["ny"], &["a", "b", "d"], &[]);
        check(ReadPreference::Nearest, &[], &["a", "b", "c", "d"], &[]);
    }

    /// What a mode that prefers falls back to while there is nobody of its first choice.
    #[test]
    fn a_preferred_role_that_nobody_has_leaves_the_other() {
        let hosts = |preference, members: Vec<&MemberFacts>| {
            let members: Vec<_> = members.into_iter().cloned().collect();
            let selection = Selection::Preference { preference, tag_sets: vec![], max_staleness: None };
            let Candidates { now, later, .. } = selection.candidates(&members);
            [now, later].map(|members| members.iter().map(|m| m.host.clone()).collect::<Vec<_>>().join(" "))
        };
        let (primary, secondary) = (member("a:1", Role::Primary, "ny"), member("b:1", Role::Secondary, "ny"));
        use ReadPreference::{PrimaryPreferred, SecondaryPreferred};
        assert_eq!(hosts(PrimaryPreferred, vec![&secondary]), ["b:1", ""]);
        assert_eq!(hosts(PrimaryPreferred, vec![&primary]), ["a:1", ""]);
        assert_eq!(hosts(SecondaryPreferred, vec![&primary]), ["a:1", ""]);
        assert_eq!(hosts(SecondaryPreferred, vec![&primary, &secondary]), ["b:1", "a:1"]);
    }

    fn hosts(selection: &Selection, members: &[MemberFacts]) -> [String; 2] {
        let Candidates { now, later, .. } = selection.candidates(members);
        [now, later].map(|members| members.iter().map(|m| m.host.clone()).collect::<Vec<_>>().join(" "))
    }

    fn preferring(preference: ReadPreference, max_staleness: Option<u32>) -> Selection {
        Selection::Preference { preference, tag_sets: vec![], max_staleness }
    }

    /// `hello` of a member in STARTUP2 or RECOVERING: it answers, and is neither.
    #[test]
    fn a_member_that_is_no_secondary_yet_is_selected_later() {
        let mut comes = member("c:1", Role::Other, "ny");
        comes.first = Err(Why::MemberUnreadable);
        let members = [member("a:1", Role::Primary, "ny"), member("b:1", Role::Secondary, "ny"), comes];
        use ReadPreference::{Nearest, Primary, Secondary, SecondaryPreferred};
        assert_eq!(hosts(&preferring(Secondary, None), &members), ["b:1", "c:1"]);
        assert_eq!(hosts(&preferring(SecondaryPreferred, None), &members), ["b:1", "a:1 c:1"]);
        assert_eq!(hosts(&preferring(Nearest, None), &members), ["a:1 b:1", "c:1"]);
        assert_eq!(hosts(&preferring(Primary, None), &members), ["a:1", ""]);
    }

    #[test]
    fn a_secondary_that_lags_more_than_allowed_is_selected_later() {
        let mut delayed = member("d:1", Role::Secondary, "ny");
        delayed.last = Ok(Timestamp { t: 219, i: 1 });
        let mut silent = member("s:1", Role::Other, "?");
        (silent.tags, silent.last) = (Err(Why::MemberUnreadable), Err(Why::MemberUnreadable));
        let members = [member("a:1", Role::Primary, "ny"), delayed, silent];
        use ReadPreference::{Nearest, Primary, Secondary};
        // 81 s behind, and 10 s of a heartbeat.
        assert_eq!(hosts(&preferring(Secondary, Some(90)), &members), ["s:1", "d:1"]);
        assert_eq!(hosts(&preferring(Secondary, Some(91)), &members), ["d:1 s:1", ""]);
        assert_eq!(hosts(&preferring(Nearest, Some(90)), &members), ["a:1 s:1", "d:1"]);
        assert_eq!(hosts(&preferring(Primary, Some(90)), &members), ["a:1", ""]);
    }

    #[test]
    fn a_router_selects_in_every_shard_and_one_without_anybody_leaves_it_unserved() {
        let of = |shard: &str, member: MemberFacts| MemberFacts { shard: Some(shard.to_owned()), ..member };
        let mut members = vec![
            of("s0", member("a:1", Role::Primary, "ny")),
            of("s0", member("b:1", Role::Secondary, "ny")),
            of("s1", member("c:1", Role::Primary, "ny")),
        ];
        use ReadPreference::{Primary, Secondary, SecondaryPreferred};
        assert_eq!(hosts(&preferring(Primary, None), &members), ["a:1 c:1", ""]);
        assert_eq!(hosts(&preferring(SecondaryPreferred, None), &members), ["b:1 c:1", "a:1"]);
        assert!(preferring(Secondary, None).candidates(&members).unserved);
        assert!(!preferring(Primary, None).candidates(&members).unserved);
        members[2].role = Role::Secondary;
        assert!(preferring(Primary, None).candidates(&members).unserved);
        assert!(preferring(Primary, None).candidates(&[]).unserved);
    }

    #[test]
    fn a_direct_connection_reaches_one_member_by_any_of_its_addresses() {
        let mut hidden = member("h:1", Role::Secondary, "ny");
        hidden.hidden = true;
        hidden.addresses.insert("alias.example:27017".to_owned());
        let members = [member("a:1", Role::Primary, "ny"), hidden];
        let now = |host: &str| Selection::Direct(host.to_owned()).candidates(&members).now.len();
        assert_eq!((now("h:1"), now("ALIAS.example:27017"), now("elsewhere:1")), (1, 1, 0));
    }

    #[test]
    fn before_4_4_the_oldest_entry_itself_does_not_resume() {
        let oldest = |wire_version| {
            MemberFacts { wire_version, ..member("a:1", Role::Primary, "ny") }.oldest_position()
        };
        let at = |i| Ok(Timestamp { t: 100, i });
        assert_eq!([oldest(Some(9)), oldest(Some(8)), oldest(None)], [at(1), at(2), at(2)]);
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
