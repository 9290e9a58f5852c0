//! Everything that a plan is made from.

use super::{ManagedBy, Mode};
use crate::domain::{
    ConnectorFacts, ConnectorReport, ConnectorState, LiveStream, Timestamp, major_and_minor,
};
use std::collections::BTreeMap;

/// What a Connect cluster can do, by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// `POST …/restart?includeTasks=true` (3.0, KIP-745).
    pub restart_tasks: bool,
    /// `PUT …/stop` (3.5, KIP-875).
    pub stop: bool,
    /// `PATCH …/offsets` (3.6, KIP-875).
    pub alter_offsets: bool,
    /// `PATCH …/config` (3.8, KIP-477).
    pub patch_config: bool,
}

impl Capabilities {
    /// Those of a version such as `3.7.0` or `7.8.0-ccs`, by what `GET /` says; of one that cannot be read, none.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let version = major_and_minor(version).map(|(major, minor)| {
            // Confluent's 7.5 is Apache's 3.5 (docs.confluent.io, "supported versions"); 8.0 is 4.0.
            if version.contains("-ccs") || version.contains("-ce") {
                (major.saturating_sub(4), minor)
            } else {
                (major, minor)
            }
        });
        let at_least = |wanted: (u32, u32)| version.is_some_and(|version| version >= wanted);
        Self {
            restart_tasks: at_least((3, 0)),
            stop: at_least((3, 5)),
            alter_offsets: at_least((3, 6)),
            patch_config: at_least((3, 8)),
        }
    }
}

/// What is known of the connector's Connect cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectFacts {
    /// Its version; `None` while it could not be read.
    pub version: Option<String>,
    /// Who keeps its connectors as they are; `None` where nobody has said.
    pub managed_by: Option<ManagedBy>,
    /// How many MongoDB source connectors it runs.
    pub connectors: usize,
    /// The standalone worker whose file may be edited while it is down; `None` where there is none, or it may not.
    pub worker: Option<WorkerFacts>,
    /// Whether recovery may write to the topic that its offsets are kept in.
    pub topic: WritesTopic,
}

/// Whether recovery may write to the offsets topic of a Connect cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WritesTopic {
    /// It may not, or there is none that is read.
    #[default]
    Never,
    /// Where REST cannot alter offsets.
    WhenNeeded,
    /// Even where it can.
    Always,
}

/// A standalone worker with its offsets file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerFacts {
    /// Its file is edited even where REST could alter offsets.
    pub always: bool,
    /// There are commands that stop and start it; else a person does.
    pub commands: bool,
}

/// The oplog that the connector must resume from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oplog {
    /// Its oldest entry: the greatest over the members that the connector may select.
    pub first: Timestamp,
    /// Its newest entry, where it was read.
    pub last: Option<Timestamp>,
    /// Its size, bytes, where it was read.
    pub size_bytes: Option<u64>,
    /// Its configured maximum, bytes, where it was read.
    pub max_size_bytes: Option<u64>,
}

/// One connector as one pass has seen and judged it.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What was concluded.
    pub report: &'a ConnectorReport,
    /// What was seen.
    pub facts: &'a ConnectorFacts,
    /// Its settings, as REST shows them.
    pub config: &'a BTreeMap<String, String>,
    /// `ns` of its live key, where it is known.
    pub partition: Option<&'a str>,
    /// The text that is stored there.
    pub stored: Option<&'a str>,
    /// Its Connect cluster.
    pub connect: &'a ConnectFacts,
    /// The oplog, where it could be read.
    pub oplog: Option<Oplog>,
    /// In how many passes in a row this trouble was seen.
    pub passes: u32,
    /// What may be done about it.
    pub mode: Mode,
}

impl Situation<'_> {
    /// The worker whose file is edited, since its REST cannot alter offsets, or is not to. One that a person has stopped in it
    /// would not stay so: a standalone worker starts all its connectors.
    #[must_use]
    pub fn by_file(&self) -> Option<WorkerFacts> {
        let version = self.connect.version.as_deref()?;
        let worker = self.connect.worker?;
        let needed = worker.always || !Capabilities::of(version).alter_offsets;
        (needed && self.report.state != Some(ConnectorState::Stopped)).then_some(worker)
    }

    /// Its offset is removed by a tombstone in the workers' topic, since their REST cannot, or is not to. One with a topic of its own
    /// would need one in both, and keeps what it has.
    #[must_use]
    pub fn by_topic(&self) -> bool {
        let needed = match self.connect.topic {
            WritesTopic::Never => false,
            WritesTopic::WhenNeeded => self.connect.version.is_some() && !self.capabilities().alter_offsets,
            WritesTopic::Always => true,
        };
        needed && self.setting(super::strategy::OWN_TOPIC).is_none() && self.by_file().is_none()
    }

    /// A setting, where it is there and not empty.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What its Connect cluster can do; of one whose version is not known, nothing.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.connect.version.as_deref().unwrap_or_default())
    }

    /// The live cursor is proven: it carried the connector over everything that its stored position has lost.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        self.report.live_stream == LiveStream::Carries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_apache_and_of_confluent() {
        let of = |version| {
            let it = Capabilities::of(version);
            (it.stop, it.alter_offsets, it.patch_config)
        };
        assert_eq!(of("3.4.1"), (false, false, false));
        assert_eq!((of("3.5.0"), of("3.6.2")), ((true, false, false), (true, true, false)));
        assert_eq!((of("3.8.0"), of("4.1.0")), ((true, true, true), (true, true, true)));
        assert_eq!((of("7.5.0-ccs"), of("7.8.1-ce")), ((true, false, false), (true, true, true)));
        assert_eq!((of(""), of("unknown")), ((false, false, false), (false, false, false)));
    }
}
