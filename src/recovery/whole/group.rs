//! What Kafka tells of the workers' group, and what that says about them.

use super::Standing;
use rdkafka::groups::GroupInfo;

/// The protocol that Connect's workers form a group with.
const WORKERS: &str = "connect";

/// As it was shown. The client library keeps a group's own error to itself: where it may not be described, or its coordinator is loading,
/// it has neither state nor members (`GroupCoordinator.EmptyGroup` of Kafka's brokers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Of the protocol; empty where it is not told.
    kind: String,
    state: String,
    pub(super) members: usize,
}

impl Group {
    pub(super) fn of(shown: &GroupInfo) -> Self {
        Self {
            kind: shown.protocol_type().to_owned(),
            state: shown.state().to_owned(),
            members: shown.members().len(),
        }
    }
}

/// What is known of a group from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Kafka has shown it.
    Shown,
    /// Nothing.
    Nothing,
    /// Nothing, and the topic holds a part of what is written back: connectors whose record is not back yet would begin without an offset.
    HalfWritten,
}

/// Why this does not say that no worker lives; `None` where it does. A group that is not shown at all tells nothing by itself: it counts
/// where it was shown before, to this client or to the one that has noted it and was broken off.
pub(super) fn objection(name: &str, shown: Option<&Group>, before: Before) -> Option<Standing> {
    let Some(group) = shown else {
        return match before {
            Before::Shown => None,
            Before::Nothing => Some(Standing::Unknown(format!(
                "Kafka shows no group `{name}`: is that the workers' group.id, and may its group be described (Describe on the group)? Kafka forgets a group minutes after its last worker: then start one, until it is seen here, and stop it again"
            ))),
            Before::HalfWritten => Some(Standing::Unknown(format!(
                "Kafka shows no group `{name}`, and it was not seen when the topic began to be written back: is that the workers' group.id, and the --group of that time? The topic may hold only a part, so no worker may be started before the rest is written"
            ))),
        };
    };
    if !group.kind.is_empty() && group.kind != WORKERS {
        return Some(Standing::Another(format!(
            "the group `{name}` is no group of Kafka Connect's workers but of the kind `{}`: --group is their group.id",
            group.kind
        )));
    }
    if group.members > 0 {
        let members = group.members;
        return Some(Standing::Up(format!("{members} of its workers are members of the group `{name}`")));
    }
    match group.state.as_str() {
        "Empty" | "Dead" => None,
        "" => Some(Standing::Unknown(format!(
            "Kafka tells nothing of the group `{name}`: its coordinator may be loading, or it may not be described (Describe on the group)"
        ))),
        state => {
            Some(Standing::Unknown(format!("the group `{name}` is in the state {state}, without members")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objected(kind: &str, state: &str, members: usize) -> Option<Standing> {
        let group = Group { kind: kind.to_owned(), state: state.to_owned(), members };
        objection("g", Some(&group), Before::Shown)
    }

    #[test]
    fn only_a_group_that_says_so_is_without_workers() {
        assert_eq!(objected("connect", "Empty", 0), None);
        assert_eq!(objected("", "Dead", 0), None);
        assert!(
            matches!(objected("connect", "Stable", 2), Some(Standing::Up(line)) if line.contains("2 of"))
        );
        // As a group looks that may not be described, or whose coordinator is loading.
        for state in ["", "Unknown", "PreparingRebalance", "Stable"] {
            assert!(matches!(objected("", state, 0), Some(Standing::Unknown(_))), "{state:?}");
        }
    }

    #[test]
    fn a_group_of_others_is_refused_even_when_it_is_empty() {
        for (state, members) in [("Empty", 0), ("Stable", 1)] {
            assert!(
                matches!(objected("consumer", state, members), Some(Standing::Another(line)) if line.contains("`consumer`"))
            );
        }
    }

    #[test]
    fn one_that_is_not_shown_counts_only_when_it_was_before() {
        assert_eq!(objection("g", None, Before::Shown), None);
        let unknown = |before| match objection("g", None, before) {
            Some(Standing::Unknown(line)) => line,
            other => panic!("{other:?}"),
        };
        assert!(unknown(Before::Nothing).contains("then start one"));
        let half = unknown(Before::HalfWritten);
        assert!(half.contains("no worker may be started") && !half.contains("start one"), "{half}");
    }
}
