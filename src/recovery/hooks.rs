//! Commands that a person wants run before and after an attempt: argv without a shell, and no secret.

use crate::config::Hooks;
use resumeguard_core::recovery::{Attempt, Ended, Lost};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Of our own environment, which may hold passwords, a command gets these alone.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

impl Hooks {
    /// Runs the command that may still say no; whether there is one.
    ///
    /// # Errors
    /// What it said no with: one line.
    pub(super) async fn before(&self, attempt: &Attempt) -> Result<bool, String> {
        let Some(argv) = &self.before else { return Ok(false) };
        let said = run(argv, self.timeout, environment("before", attempt, None, None)).await;
        said.map(|()| true).map_err(|line| format!("the before-hook {line}"))
    }

    /// Runs the command that is told how it ended. It changes nothing any more, whatever it says.
    pub(super) async fn after(&self, attempt: &Attempt, ended: Ended, lost: Lost) {
        let Some(argv) = &self.after else { return };
        if let Err(line) =
            run(argv, self.timeout, environment("after", attempt, Some(ended), Some(lost))).await
        {
            tracing::warn!(connector = %attempt.plan.connector, attempt = %attempt.id, "the after-hook {line}");
        }
    }
}

pub(super) fn environment(
    event: &str,
    attempt: &Attempt,
    ended: Option<Ended>,
    lost: Option<Lost>,
) -> Vec<(&'static str, String)> {
    let plan = &attempt.plan;
    let stretch = lost.and_then(Lost::stretch);
    let seconds = |time: Option<u32>| time.map(|t| t.to_string()).unwrap_or_default();
    vec![
        ("RESUMEGUARD_EVENT", event.to_owned()),
        ("RESUMEGUARD_CONNECT_CLUSTER", plan.connector.connect_cluster.clone()),
        ("RESUMEGUARD_CONNECTOR", plan.connector.connector.clone()),
        ("RESUMEGUARD_STRATEGY", plan.strategy.code().to_owned()),
        ("RESUMEGUARD_ATTEMPT", attempt.id.to_string()),
        ("RESUMEGUARD_PLAN", plan.id.to_string()),
        ("RESUMEGUARD_REASON", attempt.reason.clone()),
        ("RESUMEGUARD_LOST_FROM", seconds(stretch.map(|lost| lost.from.t))),
        ("RESUMEGUARD_LOST_TO", seconds(stretch.map(|lost| lost.to.t))),
        ("RESUMEGUARD_LOST", lost.map(|lost| lost.code().to_owned()).unwrap_or_default()),
        ("RESUMEGUARD_OUTCOME", ended.map(|ended| ended.code().to_owned()).unwrap_or_default()),
    ]
}

/// Runs one command to its end or to its time. What it prints to stderr goes where our own log goes.
pub(super) async fn run(
    argv: &[String],
    timeout: Duration,
    environment: Vec<(&'static str, String)>,
) -> Result<(), String> {
    let [program, arguments @ ..] = argv else { return Err("names no command".to_owned()) };
    // An environment cannot hold a zero byte; a connector's name may.
    let environment = environment.into_iter().map(|(key, value)| (key, value.replace('\0', "")));
    let inherited = INHERITED.iter().filter_map(|key| Some((*key, std::env::var_os(key)?)));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    match tokio::time::timeout(timeout, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{program}` said no: {status}")),
        Ok(Err(error)) => Err(format!("`{program}` cannot be waited for: {error}")),
        Err(_) => {
            // With whatever it has started.
            let killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
            if killed {
                child.wait().await.ok();
            }
            Err(format!("`{program}` did not end within {timeout:.1?} and was killed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn say(script: &str, timeout: Duration) -> Result<(), String> {
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        run(&argv, timeout, vec![("RESUMEGUARD_CONNECTOR", "or\0ders".to_owned())]).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_command_says_yes_or_no_and_sees_what_is_meant_for_it() {
        assert_eq!(say("test \"$RESUMEGUARD_CONNECTOR\" = orders", LONG).await, Ok(()));
        assert_eq!(say("test -z \"$CARGO_MANIFEST_DIR\"", LONG).await, Ok(()), "nothing of our environment");
        assert_eq!(
            say("read line", LONG).await.unwrap_err(),
            "`/bin/sh` said no: exit status: 1",
            "no stdin"
        );
        let missing = run(&["/no/such/program".to_owned()], LONG, vec![]).await.unwrap_err();
        assert!(missing.starts_with("`/no/such/program` cannot be run"), "{missing}");
        assert_eq!(run(&[], LONG, vec![]).await.unwrap_err(), "names no command");
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_all_that_it_has_started() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("sleep 300 & echo $! > {}; wait", file.path().display());
        let line = say(&script, Duration::from_millis(500)).await.unwrap_err();
        assert!(line.ends_with("did not end within 500.0ms and was killed"), "{line}");
        let pid = std::fs::read_to_string(file.path()).unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            // Killed, and perhaps not yet waited for by whoever has inherited it.
            stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
        };
        for _ in 0..100 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{pid} still runs");
    }
}
