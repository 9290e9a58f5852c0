//! What is said of single connectors while their topic is cured.

use super::super::Outcome;
use crate::sources::connect::Listed;
use resumeguard_core::domain::{ConnectorState, Settings, StartupMode, TaskState};
use std::collections::BTreeSet;
use std::path::Path;

/// Which of those that had something stored were not looked at, and the answer to whether all of them run.
pub(super) fn verdict<'n>(
    names: &'n BTreeSet<String>,
    looked_at: &BTreeSet<String>,
    ill: usize,
) -> (Vec<&'n str>, Outcome) {
    let others: Vec<&str> =
        names.iter().filter(|name| !looked_at.contains(*name)).map(String::as_str).collect();
    let outcome = match ill {
        0 if others.is_empty() && !looked_at.is_empty() => Outcome::Done,
        0 => Outcome::Unknown,
        _ => Outcome::Negative,
    };
    (others, outcome)
}

/// What to do about a topic that is not what its backup holds. Where its deletion was begun (`deleting`), nobody knows whether that has come to
/// pass: then what the backup holds is nowhere else, and one more deletion would be of the new topic.
pub(super) fn other(topic: &str, backup: &Path, deleting: bool) -> String {
    let file = backup.display();
    if deleting {
        format!(
            "nothing was done: {topic} is not what {file} holds, and its deletion was begun before: it was deleted then and made anew, or it is the old one and was written to since. Look which (kafka-topics.sh --describe --topic {topic}, the brokers' log, when its first records were written): one that was made anew needs nothing more, and {file} is all that is left of the old one; only the old one is deleted with another --backup"
        )
    } else {
        format!(
            "{topic} has gone on since it was backed up, or is another than {file} holds: name another --backup file"
        )
    }
}

/// What a connector does without an offset.
pub(super) fn cost(is_listed: bool, listed: Option<&Listed>) -> String {
    let Some(listed) = listed else {
        let unknown = if is_listed { "no MongoDB source connector that is listed now" } else { "not known" };
        return format!("{unknown}: it begins as its kind does without an offset");
    };
    let settings = Settings::from_config(&listed.config);
    if settings.debezium.is_some() {
        return "begins as its snapshot.mode says: by default, all existing data is delivered again"
            .to_owned();
    }
    match settings.startup_mode {
        _ if settings.hidden.startup => "its startup.mode is a placeholder: nobody knows where it begins".to_owned(),
        StartupMode::Latest => "loses everything between what it has stored and the moment it runs again".to_owned(),
        StartupMode::CopyExisting => "delivers every existing document again; loses deletes, and states that were overwritten".to_owned(),
        StartupMode::Timestamp => "begins at the time that its startup.mode names: delivers again what came since, and loses what lies before".to_owned(),
    }
}

/// Why one does not run as somebody wants it.
pub(super) fn illness(listed: &Listed) -> Option<String> {
    if matches!(listed.state, ConnectorState::Paused | ConnectorState::Stopped) {
        return None;
    }
    let runs = listed.state == ConnectorState::Running
        && !listed.tasks.is_empty()
        && listed.tasks.iter().all(|task| task.state == TaskState::Running);
    let states: Vec<&str> = listed.tasks.iter().map(|task| task.state.code()).collect();
    (!runs).then(|| {
        format!("  {} is {}, its tasks are [{}]", listed.name, listed.state.code(), states.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_deletion_was_begun_is_not_to_be_deleted_again_unseen() {
        let (begun, not) = (other("t", Path::new("/b"), true), other("t", Path::new("/b"), false));
        assert!(begun.contains("made anew, or it is the old one") && begun.contains("Look which"), "{begun}");
        assert!(!begun.contains("name another --backup") && not.contains("name another --backup"), "{not}");
    }

    #[test]
    fn all_run_only_where_all_were_looked_at() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (both, one, none) = (names(&["a", "b"]), names(&["a"]), names(&[]));
        assert!(matches!(verdict(&both, &both, 0), (others, Outcome::Done) if others.is_empty()));
        assert!(matches!(verdict(&one, &both, 0), (others, Outcome::Done) if others.is_empty()));
        assert!(matches!(verdict(&both, &one, 0), (others, Outcome::Unknown) if others == ["b"]));
        assert!(matches!(verdict(&none, &none, 0), (_, Outcome::Unknown)));
        assert!(matches!(verdict(&both, &none, 0), (others, Outcome::Unknown) if others == ["a", "b"]));
        assert!(matches!(verdict(&both, &one, 1), (_, Outcome::Negative)));
    }
}
