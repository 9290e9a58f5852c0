//! What each oplog was allowed to hold, from pass to pass: a smaller size or a shorter retention takes history away.

use crate::domain::{MemberFacts, Timestamp};
use serde::{Deserialize, Serialize};

/// The limits of one member's oplog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    max_size_bytes: Option<u64>,
    /// 0 where none is configured.
    min_retention_seconds: u64,
    lowered: Option<Lowered>,
}

/// Limits that were lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lowered {
    /// The member's newest entry when it was noticed.
    pub(crate) at: Timestamp,
    /// Bytes before and after, where the size was lowered.
    pub(crate) size: Option<(u64, u64)>,
    /// Seconds before and after, where the retention was lowered.
    pub(crate) retention: Option<(u64, u64)>,
}

impl Limits {
    pub(crate) fn lowered(&self) -> Option<Lowered> {
        self.lowered
    }

    /// After one more reading; sizes that could not be read say nothing.
    pub(crate) fn after(&self, member: &MemberFacts) -> Self {
        let (Some(max), Ok(at)) = (member.sizes.max_size_bytes, member.last) else { return *self };
        // What could not be read was not lowered.
        let retention = member.sizes.min_retention_seconds.unwrap_or(self.min_retention_seconds);
        let size = self.max_size_bytes.filter(|before| max < *before).map(|before| (before, max));
        let before = self.min_retention_seconds;
        let shorter = (self.max_size_bytes.is_some() && retention < before).then_some((before, retention));
        let lowered =
            (size.is_some() || shorter.is_some()).then_some(Lowered { at, size, retention: shorter });
        let undone = |known: &Lowered| {
            known.size.is_none_or(|(before, _)| max >= before)
                && known.retention.is_none_or(|(before, _)| retention >= before)
        };
        Self {
            max_size_bytes: Some(max),
            min_retention_seconds: retention,
            lowered: lowered.or(self.lowered.filter(|known| !undone(known))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::tests::{FIRST, member};
    use crate::domain::{OplogSizes, Role, Why};

    fn limited(size: u64, retention: u64) -> MemberFacts {
        let sizes = OplogSizes {
            size_bytes: Some(1),
            max_size_bytes: Some(size),
            min_retention_seconds: Some(retention),
        };
        MemberFacts { sizes, ..member("a:1", Role::Primary, FIRST) }
    }

    /// What is known to be lowered after readings of size and retention.
    #[track_caller]
    fn check(readings: &[(u64, u64)], size: Option<(u64, u64)>, retention: Option<(u64, u64)>) {
        let read = |limits: Limits, (size, retention): &(u64, u64)| limits.after(&limited(*size, *retention));
        let lowered = readings.iter().fold(Limits::default(), read).lowered();
        let found = lowered.map(|lowered| (lowered.size, lowered.retention));
        assert_eq!(found, (size.is_some() || retention.is_some()).then_some((size, retention)));
    }

    #[test]
    fn a_size_or_a_retention_that_became_less() {
        check(&[(900, 60)], None, None);
        check(&[(900, 60), (900, 60)], None, None);
        check(&[(900, 60), (901, 61)], None, None);
        check(&[(900, 60), (899, 60)], Some((900, 899)), None);
        check(&[(900, 60), (900, 59)], None, Some((60, 59)));
        check(&[(900, 60), (900, 0)], None, Some((60, 0)));
        check(&[(900, 60), (800, 50)], Some((900, 800)), Some((60, 50)));
    }

    #[test]
    fn it_stays_known_until_both_are_what_they_were() {
        check(&[(900, 60), (800, 50), (800, 50)], Some((900, 800)), Some((60, 50)));
        check(&[(900, 60), (800, 50), (900, 50)], Some((900, 800)), Some((60, 50)));
        check(&[(900, 60), (800, 50), (800, 60)], Some((900, 800)), Some((60, 50)));
        check(&[(900, 60), (800, 50), (899, 60)], Some((900, 800)), Some((60, 50)));
        check(&[(900, 60), (800, 50), (900, 60)], None, None);
        check(&[(900, 60), (800, 60), (700, 60)], Some((800, 700)), None);
    }

    #[test]
    fn what_could_not_be_read_was_not_lowered() {
        let known = Limits::default().after(&limited(900, 60));
        let unread = MemberFacts { sizes: OplogSizes::default(), ..limited(900, 60) };
        let silent = MemberFacts { last: Err(Why::MemberUnreadable), ..limited(1, 1) };
        assert_eq!((known.after(&unread), known.after(&silent)), (known, known));
        // `collStats` answered, `serverStatus` did not.
        let half = OplogSizes { min_retention_seconds: None, ..limited(900, 60).sizes };
        assert_eq!(known.after(&MemberFacts { sizes: half, ..limited(900, 60) }), known);
    }
}
