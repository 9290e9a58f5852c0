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
        let retention = member.sizes.min_retention_seconds.unwrap_or(0);
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
