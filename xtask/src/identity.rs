//! Which process is meant: a pid alone may have been given to somebody else since.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::clock::Deadline;

const LOOK_AGAIN_EVERY: Duration = Duration::from_millis(20);

/// How long a killed process may take to vanish; the kernel needs milliseconds, a loaded disk a moment more.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// One process beyond doubt: its pid and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Its start, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub started: u64,
}

impl Identity {
    /// Who holds `pid` now, if anybody alive does.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, threads, started) = state_threads_and_start(&stat)?;
        // The first thread of a dying process is a zombie while others still run and hold its sockets.
        let gone = matches!(state, 'Z' | 'X') && threads <= 1;
        (!gone).then_some(Self { pid, started })
    }

    /// This very process.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn current() -> Result<Self> {
        Self::of(std::process::id()).context("cannot read /proc/self/stat: only Linux is supported")
    }

    /// Whether that process still runs; a zombie and a later holder of the pid do not count.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends a signal to that process and to no other; a process that is gone is no error.
    ///
    /// The pid file descriptor is opened before the start time is compared, so the pid cannot change hands between.
    ///
    /// # Errors
    /// When the process is another user's.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot open process {}", self.pid)),
        };
        if !self.is_alive() {
            return Ok(());
        }
        match pidfd_send_signal(handle, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }
}

/// Ends processes: SIGTERM to all, then SIGKILL to those that still run after `grace`.
///
/// # Errors
/// When a process may not be signalled or survives SIGKILL.
pub fn stop(processes: &[Identity], grace: Duration) -> Result<()> {
    for process in processes {
        process.signal(Signal::TERM)?;
    }
    if all_gone_within(processes, grace) {
        return Ok(());
    }
    for process in processes {
        process.signal(Signal::KILL)?;
    }
    anyhow::ensure!(all_gone_within(processes, KILL_LIMIT), "still alive after SIGKILL: {processes:?}");
    Ok(())
}

fn all_gone_within(processes: &[Identity], limit: Duration) -> bool {
    let deadline = Deadline::after(limit);
    loop {
        if !processes.iter().any(Identity::is_alive) {
            return true;
        }
        if deadline.passed() {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN_EVERY);
    }
}

/// Every process whose environment holds exactly `variable` (`NAME=value`) and may be read by us.
#[must_use]
pub fn with_environment(variable: &str) -> Vec<Identity> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes()))
    })
    .filter_map(Identity::of)
    .collect()
}

/// The process name may hold blanks and parentheses, so everything is counted from the last `)`.
fn state_threads_and_start(stat: &str) -> Option<(char, u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let threads = fields.nth(16)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    Some((state, threads, started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn stat_line_with_an_ugly_name() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 4242 9 9";
        assert_eq!(state_threads_and_start(stat), Some(('S', 1, 4242)));
        assert_eq!(state_threads_and_start("7 (short) S 1"), None);
    }

    #[test]
    fn a_later_holder_of_the_pid_is_somebody_else() {
        let me = Identity::current().unwrap();
        assert!(me.is_alive());
        let before_me = Identity { started: me.started - 1, ..me };
        assert!(!before_me.is_alive());
        // Had the start time not been compared, this test would end here.
        before_me.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_killed() {
        let mut child = Command::new("sh").args(["-c", "trap '' TERM; sleep 60"]).spawn().unwrap();
        let process = Identity::of(child.id()).unwrap();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        stop(&[process], Duration::from_millis(200)).unwrap();
        assert!(!process.is_alive());
        assert!(!reaper.join().unwrap().success());
    }

    #[test]
    fn found_by_its_environment() {
        let value = format!("RESUMEGUARD_IDENTITY_TEST={}", std::process::id());
        let mut child = Command::new("sleep")
            .arg("60")
            .env("RESUMEGUARD_IDENTITY_TEST", std::process::id().to_string())
            .spawn()
            .unwrap();
        // Between fork and exec the child still has our environment.
        let deadline = Deadline::after(Duration::from_secs(5));
        while with_environment(&value).is_empty() && !deadline.passed() {}
        assert_eq!(with_environment(&value), vec![Identity::of(child.id()).unwrap()]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(with_environment(&value).is_empty());
    }
}
