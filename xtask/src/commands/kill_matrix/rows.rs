//! The rows: one kind of step each, killed at one of its three moments.

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Nothing is written down yet.
    BeforeIntent,
    /// It is written down, and nothing is done.
    AfterIntent,
    /// It is done, and how it ended is not written down.
    AfterEffect,
}

impl Point {
    pub(super) const ALL: [Self; 3] = [Self::BeforeIntent, Self::AfterIntent, Self::AfterEffect];

    /// As the daemon's fail-points have it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BeforeIntent => "before_intent",
            Self::AfterIntent => "after_intent",
            Self::AfterEffect => "after_effect",
        }
    }
}

/// The trouble that a connector is brought into, and what it is brought out with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Failed with 286, its position lost.
    Failed,
    /// Paused, its position lost.
    Paused,
    /// Failed, before a Connect that cannot alter offsets.
    OldConnect,
    /// The same before one that can stop nothing either: its offsets topic is written to.
    OldTopic,
    /// Paused and salvaged; now it is put back.
    Salvaged,
    /// Failed and salvaged; now the lost position is put back, which fails, and is put back in turn.
    PutBack,
    /// Well, with less headroom than policy wants.
    LowHeadroom,
    /// Well and running, with less headroom than policy wants.
    Running,
    /// Failed, and its collection refuses the marker: what was changed until then is put back.
    Refused,
    /// Paused, its position lost, and Connect refuses the mark: it is put back.
    Rejected,
    /// Failed while its deployment was away for a moment, its position whole.
    Outage,
}

impl Trouble {
    /// The attempt must fail: steps of the way back are walked.
    fn leads_back(self) -> bool {
        matches!(self, Self::PutBack | Self::Refused | Self::Rejected)
    }
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Also its connector's name.
    pub(super) name: String,
    pub(super) trouble: Trouble,
    /// As the command line has it.
    pub(super) strategy: &'static str,
    /// As the journal has it.
    pub(super) step: &'static str,
    /// Which step of that kind in the plan, from 1.
    pub(super) nth: u32,
    pub(super) point: Point,
    /// Policy does it, and nobody asks for it.
    pub(super) auto: bool,
    /// Of the short form.
    pub(super) short: bool,
}

impl Row {
    /// How the attempt must end. A removal of which nobody can tell whether it was asked for is not asked for again, and what a
    /// lost position is put back to fails as it did before.
    pub(super) fn ends(&self) -> &'static str {
        let by_rest = self.trouble != Trouble::OldTopic;
        let unknown_removal = by_rest && self.step == "remove_offset" && self.point == Point::AfterIntent;
        if unknown_removal || self.trouble.leads_back() { "put_back" } else { "recovered" }
    }
}

/// Trouble, strategy, step, which of its kind, by policy.
const STEPS: [(Trouble, &str, &str, u32, bool); 31] = [
    (Trouble::Failed, "salvage", "save", 1, true),
    (Trouble::Failed, "salvage", "stop", 1, true),
    (Trouble::Failed, "salvage", "write_mark", 1, true),
    (Trouble::Failed, "salvage", "resume", 1, true),
    (Trouble::Failed, "salvage", "verify", 1, true),
    (Trouble::Paused, "salvage", "pause", 1, false),
    (Trouble::Failed, "reset-offsets", "remove_offset", 1, true),
    (Trouble::Failed, "tolerate-errors", "configure", 1, false),
    (Trouble::Failed, "tolerate-errors", "insert_marker", 1, false),
    (Trouble::Failed, "tolerate-errors", "await_stored", 1, false),
    (Trouble::Failed, "tolerate-errors", "remove_marker", 1, false),
    (Trouble::Failed, "tolerate-errors", "configure", 2, false),
    (Trouble::Failed, "resnapshot", "configure", 1, false),
    (Trouble::Failed, "resnapshot", "configure", 2, false),
    (Trouble::OldConnect, "salvage", "start_at_oldest", 1, false),
    (Trouble::OldTopic, "reset-offsets", "await_still", 1, false),
    (Trouble::OldTopic, "reset-offsets", "remove_offset", 1, false),
    (Trouble::OldTopic, "reset-offsets", "restart", 1, false),
    (Trouble::OldConnect, "reset-offsets", "configure", 1, false),
    (Trouble::Salvaged, "salvage", "restore_offset", 1, false),
    (Trouble::PutBack, "salvage", "restore_offset", 2, false),
    (Trouble::PutBack, "salvage", "stop", 2, false),
    (Trouble::PutBack, "salvage", "resume", 2, false),
    (Trouble::Refused, "tolerate-errors", "remove_marker", 1, false),
    (Trouble::Refused, "tolerate-errors", "configure", 2, false),
    (Trouble::Rejected, "salvage", "pause", 1, false),
    (Trouble::Running, "nudge", "insert_marker", 1, false),
    (Trouble::Running, "nudge", "await_stored", 1, false),
    (Trouble::Running, "nudge", "remove_marker", 1, false),
    (Trouble::LowHeadroom, "extend-oplog", "resize_oplog", 1, false),
    (Trouble::Outage, "restart", "restart_tasks", 1, true),
];

/// What the short form shows: the steps that must never be done twice, and the one that leaves a connector stopped.
const SHORT: [(&str, Point); 4] = [
    ("stop", Point::AfterEffect),
    ("write_mark", Point::AfterEffect),
    ("remove_offset", Point::AfterEffect),
    ("write_mark", Point::AfterIntent),
];

/// Every row, in the order in which they are begun.
pub(super) fn rows() -> Vec<Row> {
    let of_step =
        |(trouble, strategy, step, nth, auto): &(Trouble, &'static str, &'static str, u32, bool)| {
            let (trouble, strategy, step, nth, auto) = (*trouble, *strategy, *step, *nth, *auto);
            Point::ALL.map(|point| Row {
                name: name(strategy, (trouble, step), nth, point),
                trouble,
                strategy,
                step,
                nth,
                point,
                auto,
                short: SHORT.contains(&(step, point))
                    && !trouble.leads_back()
                    && trouble != Trouble::OldTopic,
            })
        };
    STEPS.iter().flat_map(of_step).collect()
}

fn name(strategy: &str, (trouble, step): (Trouble, &str), nth: u32, point: Point) -> String {
    let way = if trouble == Trouble::OldTopic {
        "topic-"
    } else if trouble.leads_back() {
        "back-"
    } else {
        ""
    };
    let nth = if nth > 1 { format!("-{nth}") } else { String::new() };
    format!("{strategy}-{way}{step}{nth}-{}", point.code()).replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_name_of_its_own_and_the_short_form_has_four() {
        let rows = rows();
        let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!((names.len(), rows.len()), (93, 93));
        assert_eq!(rows.iter().filter(|row| row.short).count(), SHORT.len());
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
    }
}
