//! What a restart of Debezium's connector does, by its version and `snapshot.mode` (`MongoDbConnectorTask`,
//! `MongoDbSnapshotChangeEventSource`, `io.debezium.snapshot.mode`). 2.5.4, 2.7.4, 3.0.8 and 3.2.0 were run.

use crate::domain::{Debezium, OnRestart, SnapshotMode};

/// The version, major and minor, where it is known.
type Version = Option<(u32, u32)>;

/// The modes came with 2.6, and with them the question to the server at a start.
const MODES: (u32, u32) = (2, 6);

/// Before it, a position that the server refused was only warned of.
const REFUSES: (u32, u32) = (3, 2);

/// Nothing is stored.
pub(super) fn without_a_position(debezium: &Debezium) -> OnRestart {
    match debezium.snapshot_mode {
        SnapshotMode::Always
        | SnapshotMode::Initial
        | SnapshotMode::InitialOnly
        | SnapshotMode::WhenNeeded => OnRestart::Resnapshots,
        SnapshotMode::NoData if !debezium.starts_at_a_time => OnRestart::Skips,
        SnapshotMode::NoData | SnapshotMode::Other => OnRestart::Unknown,
    }
}

/// Its snapshot was under way: it begins again, and is refused where the mode does not allow one any more.
pub(super) fn from_a_copy(debezium: &Debezium, version: Version) -> OnRestart {
    match (debezium.snapshot_mode, version) {
        (SnapshotMode::NoData, None) | (SnapshotMode::Other, _) => OnRestart::Unknown,
        (SnapshotMode::NoData, Some(version)) if version >= MODES => OnRestart::Fails,
        (SnapshotMode::NoData, Some(_)) => OnRestart::Skips,
        (
            SnapshotMode::Always
            | SnapshotMode::Initial
            | SnapshotMode::InitialOnly
            | SnapshotMode::WhenNeeded,
            _,
        ) => OnRestart::Resnapshots,
    }
}

/// The server will refuse what is stored, for good.
pub(super) fn from_a_refused_position(debezium: &Debezium, version: Version) -> OnRestart {
    match version {
        Some(version) if version >= MODES => since_the_modes(debezium, version),
        // 2.2 asked the server and did not expect its answer.
        Some((2, 2)) | None => OnRestart::Unknown,
        Some(_) => match debezium.snapshot_mode {
            SnapshotMode::Initial => OnRestart::Resnapshots,
            SnapshotMode::NoData => streams_anyway(debezium),
            SnapshotMode::Always
            | SnapshotMode::InitialOnly
            | SnapshotMode::WhenNeeded
            | SnapshotMode::Other => OnRestart::Unknown,
        },
    }
}

fn since_the_modes(debezium: &Debezium, version: (u32, u32)) -> OnRestart {
    let fails = debezium.checks_position && version >= REFUSES;
    match debezium.snapshot_mode {
        SnapshotMode::Other => OnRestart::Unknown,
        SnapshotMode::WhenNeeded if debezium.checks_position => OnRestart::Resnapshots,
        SnapshotMode::Always if !fails => OnRestart::Resnapshots,
        _ if fails => OnRestart::Fails,
        // It has copied, and does not stream.
        SnapshotMode::InitialOnly => OnRestart::Unknown,
        SnapshotMode::Always | SnapshotMode::Initial | SnapshotMode::NoData | SnapshotMode::WhenNeeded => {
            streams_anyway(debezium)
        }
    }
}

/// It opens its stream at the lost position. What the server says to that is tried again.
fn streams_anyway(debezium: &Debezium) -> OnRestart {
    if debezium.retries_for_ever { OnRestart::Stalls } else { OnRestart::Fails }
}

/// A mode that copies everything at every start does so from a good position as well.
pub(super) fn from_a_good_position(debezium: &Debezium) -> OnRestart {
    match debezium.snapshot_mode {
        SnapshotMode::Always => OnRestart::Resnapshots,
        SnapshotMode::Other => OnRestart::Unknown,
        SnapshotMode::Initial
        | SnapshotMode::InitialOnly
        | SnapshotMode::NoData
        | SnapshotMode::WhenNeeded => OnRestart::Resumes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use crate::domain::*;
    use std::collections::BTreeMap;

    fn of(version: Option<&str>, pairs: &[(&str, &str)], offset: Observed<StoredOffset>) -> ConnectorFacts {
        let class = ("connector.class", DEBEZIUM_SOURCE);
        let config: BTreeMap<String, String> =
            pairs.iter().chain([&class]).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ConnectorFacts {
            class: DEBEZIUM_SOURCE.into(),
            version: version.map(str::to_owned),
            settings: Settings::from_config(&config),
            ..connector(offset)
        }
    }

    fn after(version: &str, pairs: &[(&str, &str)], offset: Observed<StoredOffset>) -> OnRestart {
        one(&facts(of(Some(version), pairs, offset), replica_set())).on_restart
    }

    /// The versions that were run on the real stack stand here with what they did there.
    #[test]
    fn a_lost_position_by_version_and_mode() {
        use OnRestart::{Fails, Resnapshots, Stalls, Unknown};
        let lost = || token(FIRST - 1, 0);
        let check = |version: &str, mode: &str, expected| {
            assert_eq!(after(version, &[("snapshot.mode", mode)], lost()), expected, "{version} {mode}");
        };
        check("1.9.7.Final", "initial", Resnapshots);
        check("2.2.1.Final", "initial", Unknown);
        check("2.5.4.Final", "initial", Resnapshots);
        check("2.5.4.Final", "never", Stalls);
        check("2.5.4.Final", "when_needed", Unknown);
        for version in ["2.6.2.Final", "2.7.4.Final", "3.0.8.Final", "3.1.3.Final"] {
            for (mode, expected) in [
                ("initial", Stalls),
                ("no_data", Stalls),
                ("when_needed", Resnapshots),
                ("always", Resnapshots),
                ("initial_only", Unknown),
                ("custom", Unknown),
            ] {
                check(version, mode, expected);
            }
        }
        for (mode, expected) in [
            ("initial", Fails),
            ("no_data", Fails),
            ("always", Fails),
            ("initial_only", Fails),
            ("when_needed", Resnapshots),
            ("configuration_based", Unknown),
        ] {
            check("3.2.0.Final", mode, expected);
        }
        let without = [("log.position.check.enable", "false"), ("snapshot.mode", "when_needed")];
        assert_eq!(after("3.2.0.Final", &without, lost()), Stalls);
        assert_eq!(after("3.0.8.Final", &[("errors.max.retries", "2")], lost()), Fails);
        let report = one(&facts(of(None, &[], lost()), replica_set()));
        assert_eq!((report.verdict, report.on_restart), (Verdict::Lost, Unknown), "no version, no forecast");
    }

    #[test]
    fn a_good_position_resumes_unless_everything_is_copied_again() {
        let good = || token(1_060_000, 0);
        assert_eq!(after("3.2.0.Final", &[], good()), OnRestart::Resumes);
        assert_eq!(after("3.2.0.Final", &[("snapshot.mode", "always")], good()), OnRestart::Resnapshots);
        assert_eq!(after("3.2.0.Final", &[("snapshot.mode", "custom")], good()), OnRestart::Unknown);
    }

    #[test]
    fn without_a_position_and_while_it_copies() {
        let mode = |mode: &'static str| [("snapshot.mode", mode)];
        let none = || Err(Why::NoPosition);
        assert_eq!(after("3.2.0.Final", &[], none()), OnRestart::Resnapshots);
        assert_eq!(after("3.2.0.Final", &mode("no_data"), none()), OnRestart::Skips);
        assert_eq!(after("2.5.4.Final", &mode("${env:M}"), none()), OnRestart::Unknown);
        let later = [("snapshot.mode", "no_data"), ("capture.start.op.time", "7")];
        assert_eq!(after("3.5.0.Final", &later, none()), OnRestart::Unknown);
        let copying = || Ok(StoredOffset::Copying);
        assert_eq!(after("3.2.0.Final", &[], copying()), OnRestart::Resnapshots);
        assert_eq!(after("3.2.0.Final", &mode("no_data"), copying()), OnRestart::Fails);
        assert_eq!(after("2.5.4.Final", &mode("never"), copying()), OnRestart::Skips);
        assert_eq!(after("2.5.4.Final", &mode("custom"), copying()), OnRestart::Unknown);
    }

    /// Connect's own tolerance does not concern its stream: nothing is skipped in silence, and RG007 stays away.
    #[test]
    fn what_is_of_the_other_connector_does_not_count() {
        let tolerant = of(Some("3.2.0.Final"), &[("errors.tolerance", "all")], token(FIRST - 1, 0));
        let report = one(&facts(tolerant, replica_set()));
        assert_eq!(report.on_restart, OnRestart::Fails);
        assert!(report.findings.iter().all(|finding| finding.rule != "RG007"), "{:?}", report.findings);
    }

    #[test]
    fn garbage_is_refused_by_the_server() {
        let garbage = || Ok(StoredOffset::Malformed { parses: true });
        assert_eq!(after("3.2.0.Final", &[], garbage()), OnRestart::Fails);
        assert_eq!(after("3.0.8.Final", &[], garbage()), OnRestart::Stalls);
    }

    /// Its own connector would ask again for ever.
    #[test]
    fn a_token_that_the_server_cannot_read_ends_as_a_refused_one() {
        let refused = |version: &str| {
            let tasks = failed(Some(50_811), FailureClass::TokenMalformed);
            let connector = ConnectorFacts { tasks, ..of(Some(version), &[], token(FIRST + 60_000, 0)) };
            one(&facts(connector, replica_set())).on_restart
        };
        assert_eq!([refused("3.2.0.Final"), refused("3.0.8.Final")], [OnRestart::Fails, OnRestart::Stalls]);
        assert_eq!(refused("2.5.4.Final"), OnRestart::Resnapshots);
    }

    #[test]
    fn the_trace_of_a_refused_start_has_no_code() {
        let trace = "io.debezium.DebeziumException: The connector is trying to read change stream starting at {sec=1}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed.";
        assert_eq!(Failure::of_trace(trace), Failure { code: None, class: FailureClass::HistoryLost });
    }

    #[test]
    fn what_it_watches_is_its_scope_or_its_lists() {
        let watched =
            |pairs: &[(&str, &str)]| of(None, pairs, Err(Why::NoPosition)).settings.watched().to_owned();
        let list = ("collection.include.list", "shop.orders,shop.items");
        assert_eq!(watched(&[list]), list.1);
        assert_eq!(watched(&[list, ("capture.scope", "database"), ("capture.target", "shop")]), "shop");
        assert_eq!(watched(&[]), "");
    }
}
