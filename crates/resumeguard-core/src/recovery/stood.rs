//! How a connector stands, which is what it is brought back to at the end: known only where everything that says it agrees.

use super::{Plan, Strategy};
use crate::domain::{ConnectorState, TaskFacts, TaskState};

/// Why nobody knows how it stands. Connect writes down the states of a connector and of its tasks one by one, and each worker has
/// its own copy of that, which may lag: a connector that was resumed and whose task has failed since is still PAUSED to some.
/// `None` where all of it fits together.
pub(super) fn doubt(state: ConnectorState, tasks: &[TaskFacts]) -> Option<String> {
    let other = match state {
        // Of one that has failed Connect writes down that it is to be paused, and shows FAILED all the same, before and after.
        ConnectorState::Failed => return Some("it is failed, and may be meant to be paused".to_owned()),
        ConnectorState::Running => {
            tasks.iter().find(|task| matches!(task.state, TaskState::Paused | TaskState::Stopped))
        }
        ConnectorState::Paused => tasks.iter().find(|task| task.state != TaskState::Paused),
        ConnectorState::Stopped => tasks.first(),
        // What it was told to be shows once it is assigned.
        ConnectorState::Unassigned | ConnectorState::Restarting | ConnectorState::Other => {
            return Some(format!("it is {}", state.code()));
        }
    };
    other.map(|task| format!("it is {}, and its task {} is {}", state.code(), task.id, task.state.code()))
}

/// The same, as far as a plan depends on it: a restart brings back to nothing, and is what has one that has failed show how it is
/// meant to stand.
pub(super) fn doubt_for(plan: &Plan, state: ConnectorState, tasks: &[TaskFacts]) -> Option<String> {
    let shows = plan.strategy == Strategy::Restart && state == ConnectorState::Failed;
    if shows { None } else { doubt(state, tasks) }
}

/// Why nothing is done about it, `again` by which it is looked at once more, and how a person clears it: what a worker is told
/// anew, it says anew.
pub(super) fn unclear(doubt: &str, again: &str) -> String {
    format!(
        "how it is meant to stand is not known: {doubt}; {again}; where it stays so: pause, stop or resume it as it is meant to be, then POST …/restart?includeTasks=true&onlyFailed=true (before Connect 3.0: …/restart and …/tasks/N/restart), which starts nothing of one that is paused"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectorState::{Failed, Other, Paused, Restarting, Running, Stopped, Unassigned};

    fn tasks(states: &[TaskState]) -> Vec<TaskFacts> {
        let task = |(id, state): (u32, &TaskState)| TaskFacts {
            id,
            state: *state,
            failure: None,
            trace: None,
            worker: None,
            started: None,
        };
        (0..).zip(states).map(task).collect()
    }

    #[test]
    fn it_is_known_only_where_connector_and_tasks_agree() {
        for (state, of_tasks) in [
            (Running, &[Running][..]),
            (Running, &[Failed]),
            (Running, &[Unassigned, Restarting]),
            (Running, &[]),
            (Paused, &[Paused, Paused]),
            (Paused, &[]),
            (Stopped, &[]),
        ] {
            assert_eq!(doubt(state, &tasks(of_tasks)), None, "{state:?} {of_tasks:?}");
        }
        for (state, of_tasks) in [
            (Running, &[Paused][..]),
            (Running, &[Running, Paused]),
            (Running, &[Stopped]),
            (Paused, &[Running]),
            (Paused, &[Failed]),
            (Paused, &[Paused, Unassigned]),
            (Stopped, &[Failed]),
            (Stopped, &[Paused]),
            (Unassigned, &[]),
            (Unassigned, &[Failed]),
            (Restarting, &[Running]),
            (Other, &[]),
            (Failed, &[]),
            (Failed, &[Paused]),
            (Failed, &[Running]),
        ] {
            assert!(doubt(state, &tasks(of_tasks)).is_some(), "{state:?} {of_tasks:?}");
        }
        let says = doubt(Paused, &tasks(&[Paused, Failed])).unwrap();
        assert_eq!(says, "it is paused, and its task 1 is failed");
    }
}
