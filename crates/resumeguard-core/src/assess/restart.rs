//! What a restart of a connector would do, from wherever it would start.

use super::debezium;
use crate::domain::{
    ConnectorFacts, Failure, FailureClass, FirstEntry, OnRestart, StartupMode, Tolerance, major_and_minor,
};

/// A restart while existing data is copied.
pub(super) fn from_a_copy(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    match &connector.settings.debezium {
        Some(debezium) => debezium::from_a_copy(debezium, version(connector)),
        None => without_a_token(connector, floor),
    }
}

fn version(connector: &ConnectorFacts) -> Option<(u32, u32)> {
    major_and_minor(connector.version.as_deref()?)
}

/// A restart from the token of an event at which the stream has ended.
pub(super) fn from_an_end(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    match &connector.settings.debezium {
        // It resumes after the event, which the server refuses (260).
        Some(_) => from_a_refused_position(connector, floor),
        None => without_a_token(connector, floor),
    }
}

/// Where a start without a stored token begins.
pub(super) fn without_a_token(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    if let Some(debezium) = &connector.settings.debezium {
        return debezium::without_a_position(debezium);
    }
    match connector.settings.startup_mode {
        _ if connector.settings.hidden.startup => OnRestart::Unknown,
        StartupMode::Latest => OnRestart::Skips,
        StartupMode::CopyExisting => OnRestart::Resnapshots,
        StartupMode::Timestamp => at_the_start_time(connector, floor),
    }
}

/// `startup.mode=timestamp`: without a time it begins at the present; a time that the oplog no longer holds fails, even
/// with errors tolerated (seen on the real connector).
fn at_the_start_time(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    match (connector.settings.start_at, floor) {
        (None, _) => OnRestart::Skips,
        (Some(_), None) => OnRestart::Unknown,
        (Some(at), Some(first)) if at < i64::from(first.time.t) && !first.initiating => OnRestart::Fails,
        (Some(_), Some(_)) => OnRestart::Replays,
    }
}

/// What a restart from a position that the server refuses for good does. The tolerated path never copies again,
/// whatever the start-up mode says (mongo-kafka `StartedMongoSourceTask.tryRecreateCursor`).
pub(super) fn from_a_refused_position(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    if let Some(debezium) = &connector.settings.debezium {
        return debezium::from_a_refused_position(debezium, version(connector));
    }
    let hidden = connector.settings.hidden;
    match (connector.settings.tolerance, connector.settings.startup_mode) {
        _ if hidden.tolerance => OnRestart::Unknown,
        (Tolerance::All, _) if hidden.startup => OnRestart::Unknown,
        (Tolerance::None, _) => OnRestart::Fails,
        (Tolerance::All, StartupMode::Timestamp) => at_the_start_time(connector, floor),
        (Tolerance::All, StartupMode::Latest | StartupMode::CopyExisting) => OnRestart::Skips,
    }
}

/// Before it, the connector knew a lost position by words that no server from 4.4 on says (`resumeTokenNotFound` looked for "resume
/// token" alone): it went on RUNNING without a cursor, asking again and again, whatever it tolerates. 1.3.0 was run.
const KNOWS_HISTORY_LOST: (u32, u32) = (1, 6);

/// What a restart from a position that the oplog holds no more does.
pub(super) fn from_a_lost_position(connector: &ConnectorFacts, floor: Option<FirstEntry>) -> OnRestart {
    let before = version(connector).is_some_and(|version| version < KNOWS_HISTORY_LOST);
    if connector.settings.debezium.is_none() && before {
        return OnRestart::Stalls;
    }
    from_a_refused_position(connector, floor)
}

/// What the connector does when the server refuses its token with this error at a start; `None` for an error that says
/// nothing of the token (mongo-kafka `StartedMongoSourceTask.tryCreateCursor`).
pub(super) fn after_a_refusal(
    failure: Failure,
    connector: &ConnectorFacts,
    floor: Option<FirstEntry>,
) -> Option<OnRestart> {
    match failure.class {
        // 136 is of an open cursor; from a start on it is 286.
        FailureClass::HistoryLost => Some(from_a_lost_position(connector, floor)),
        // 260 at start is swallowed whatever the tolerance: the stream is opened again without a token.
        FailureClass::WrongStream if failure.code == Some(260) => Some(from_an_end(connector, floor)),
        FailureClass::WrongStream | FailureClass::EventTooLarge => {
            Some(from_a_refused_position(connector, floor))
        }
        // The server's refusal at start is swallowed in a loop.
        FailureClass::TokenMalformed if connector.settings.debezium.is_some() => {
            Some(from_a_refused_position(connector, floor))
        }
        FailureClass::TokenMalformed => Some(OnRestart::Stalls),
        FailureClass::Unauthorized | FailureClass::Transient | FailureClass::Other => None,
    }
}
