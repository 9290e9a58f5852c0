//! The combinations that are run, and what each must show. The tables of README.md and docs/guide/versions.md list these rows and no other.

use serde_json::{Value, json};
use xtask::{Versions, source_config};

/// The namespace that is watched.
pub(super) const NAMESPACE: &str = "compat.orders";

/// What a restart from the lost position must do, as the daemon foretells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// The task fails; MongoDB's code stands in its trace, or, with Debezium 3.2, a `NullPointerException`: it does not
    /// come to the end of its sentence.
    Fails(Option<u32>),
    /// It copies all data again.
    Resnapshots,
    /// RUNNING, and nothing is delivered.
    Stalls,
}

impl Ends {
    /// The daemon's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fails(_) => "fails",
            Self::Resnapshots => "resnapshots",
            Self::Stalls => "stalls",
        }
    }
}

/// One combination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) versions: Versions,
    /// Debezium's; MongoDB's connector has none.
    pub(super) snapshot_mode: Option<&'static str>,
    pub(super) ends: Ends,
    /// Part of the short form.
    pub(super) short: bool,
}

const fn row(connect: &'static str, connector: &'static str, mongod: &'static str) -> Row {
    let versions = Versions { mongod, connect, connector };
    Row { versions, snapshot_mode: None, ends: Ends::Fails(Some(286)), short: false }
}

const fn debezium(row: Row, snapshot_mode: &'static str, ends: Ends) -> Row {
    Row { snapshot_mode: Some(snapshot_mode), ends, ..row }
}

/// Ten at the most. Connectors before 1.13.1 do not run on Connect 3.9 and newer: they use a class of Kafka's that it has hidden
/// (`IllegalAccessError`).
pub(super) const ROWS: [Row; 10] = [
    Row { ends: Ends::Stalls, ..row("3.4.1", "mongo-kafka-connect-1.3.0", "4.4.2") },
    row("3.4.1", "mongo-kafka-connect-2.0.1", "5.0.4"),
    row("3.8.1", "mongo-kafka-connect-1.11.0", "4.4.2"),
    row("3.9.1", "mongo-kafka-connect-1.16.0", "5.0.4"),
    Row { short: true, ..row("3.9.1", "mongo-kafka-connect-2.0.1", "4.4.2") },
    debezium(row("3.9.1", "debezium-mongodb-2.5.4", "4.4.2"), "initial", Ends::Resnapshots),
    row("4.1.0", "mongo-kafka-connect-2.0.1", "6.0.5"),
    debezium(row("4.1.0", "debezium-mongodb-2.7.4", "5.0.4"), "initial", Ends::Stalls),
    debezium(row("4.1.0", "debezium-mongodb-3.0.8", "6.0.5"), "when_needed", Ends::Resnapshots),
    Row {
        short: true,
        ..debezium(row("4.1.0", "debezium-mongodb-3.2.0", "6.0.5"), "initial", Ends::Fails(None))
    },
];

impl Row {
    /// What people call it: `MongoDB 1.11.0`, `Debezium 3.2.0 (initial)`.
    pub(super) fn connector(&self) -> String {
        let (name, version) = self.versions.connector.rsplit_once('-').unwrap_or_default();
        let name = if name.starts_with("debezium") { "Debezium" } else { "MongoDB" };
        let mode = self.snapshot_mode.map_or_else(String::new, |mode| format!(", `{mode}`"));
        format!("{name} {version}{mode}")
    }

    /// All three, for progress and for `--only`.
    pub(super) fn name(&self) -> String {
        let Versions { connect, mongod, .. } = self.versions;
        format!("Connect {connect}, {}, mongod {mongod}", self.connector().replace('`', ""))
    }

    /// The connector's configuration.
    pub(super) fn config(&self, uri: &str) -> Value {
        match self.snapshot_mode {
            None => source_config(uri, NAMESPACE, &json!({})),
            Some(mode) => json!({
                "connector.class": "io.debezium.connector.mongodb.MongoDbConnector",
                "tasks.max": "1",
                "mongodb.connection.string": uri,
                "topic.prefix": "resumeguard",
                "collection.include.list": NAMESPACE,
                "snapshot.mode": mode,
            }),
        }
    }

    /// `GET …/offsets` came with Connect 3.5; before, positions are read from the workers' offsets topic.
    pub(super) fn tells_offsets(&self) -> bool {
        self.versions.connect != "3.4.1"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGES: [&str; 2] =
        [include_str!("../../../../docs/guide/versions.md"), include_str!("../../../../README.md")];

    /// Nothing is claimed that is not run, and nothing is run in silence.
    #[test]
    fn the_pages_list_what_is_run_and_nothing_else() {
        let run: Vec<[String; 4]> = ROWS
            .iter()
            .map(|row| {
                let ends = format!("`{}`", row.ends.word());
                [row.versions.connect.to_owned(), row.connector(), row.versions.mongod.to_owned(), ends]
            })
            .collect();
        for page in PAGES {
            assert_eq!(listed(page), run);
        }
    }

    fn listed(page: &str) -> Vec<[String; 4]> {
        page.lines()
            .skip_while(|line| !line.starts_with("| Kafka Connect | Connector"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                std::array::from_fn(|at| cells.get(at).copied().unwrap_or_default().to_owned())
            })
            .collect()
    }

    #[test]
    fn every_part_is_in_some_row_and_no_row_stands_twice() {
        let names: BTreeSet<String> = ROWS.iter().map(Row::name).collect();
        assert_eq!(names.len(), ROWS.len());
        for version in [
            "3.4.1", "3.8.1", "3.9.1", "4.1.0", "4.4.2", "5.0.4", "6.0.5", "1.3.0", "1.11.0", "1.16.0",
            "2.0.1",
        ] {
            assert!(names.iter().filter(|name| name.contains(version)).count() > 0, "{version}");
        }
        assert!((1..=2).contains(&ROWS.iter().filter(|row| row.short).count()), "the short form is short");
    }
}
