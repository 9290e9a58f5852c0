//! A Debian of its own with a real systemd as its first process, in namespaces: what a package and a unit do can be seen there, and
//! nothing of it reaches this machine. The network alone is shared, so that the stack can be reached.

mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use crate::cache::Cache;
use crate::clock::{Seen, wait_until};
use crate::machine::last_lines;
use crate::progress::Progress;
use crate::roster::{Roster, Start};

/// systemd is up within three seconds on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// Nothing that is run there takes longer, but for what waits by itself.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

const ASK_LIMIT: Duration = Duration::from_secs(5);

const ROLE: &str = "guest";

/// As a person's shell has it, without colours, and without questions.
const ENVIRONMENT: [&str; 6] = [
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "SYSTEMD_COLORS=0",
    "SYSTEMD_PAGER=",
    "DEBIAN_FRONTEND=noninteractive",
];

/// Which Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Debian 12, with systemd 252: the last before `Type=notify-reload`.
    Bookworm,
    /// Debian 13, with systemd 257.
    Trixie,
}

impl Suite {
    /// Its code name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// Packages that have another name in each.
    fn packages(self) -> &'static str {
        match self {
            Self::Bookworm => "libssl3",
            Self::Trixie => "libssl3t64",
        }
    }
}

/// The root that guests of that Debian write over: to be read only.
///
/// # Errors
/// When it cannot be had.
pub async fn debian(cache: &Cache, suite: Suite, progress: &Progress) -> Result<PathBuf> {
    root::obtain(cache, suite, progress).await
}

/// A Debian 12 with a C compiler and what our build links with: to be read only.
///
/// # Errors
/// When it cannot be had.
pub async fn debian_with_compiler(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    root::with_compiler(cache, progress).await
}

/// How a program ended there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit status; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it said, standard output first.
    pub text: String,
}

/// A running guest. Dropped, it ends, and what was written there is gone.
#[derive(Debug)]
pub struct Guest {
    roster: Roster,
    init: u32,
}

impl Guest {
    /// Boots one that nobody has used. Takes root.
    ///
    /// # Errors
    /// When we are not root, its Debian cannot be had, or systemd does not come up.
    pub async fn boot(cache: &Cache, suite: Suite, progress: &Progress) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "a real systemd in namespaces takes root");
        let lower = root::obtain(cache, suite, progress).await?;
        let step = progress.step(format!("boot {}", suite.name()));
        let roster = Roster::claim_unique(cache, "guest")?;
        let (script, over) = (roster.folder().join("boot.sh"), roster.folder().join("over"));
        fs::create_dir_all(&over)?;
        fs::write(&script, include_str!("boot.sh"))?;
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "/bin/sh"]).arg(&script).arg(&lower).arg(&over);
        let start = Start { role: ROLE.to_owned(), command, ports: vec![], data: None };
        let process = roster.spawn(start)?;
        let guest = wait_until("systemd", BOOT_LIMIT, async || {
            ensure!(process.is_alive(), "the guest ended:\n{}", roster.log_end(ROLE));
            Ok(child_of(process.pid).map_or(Seen::Not("no first process".to_owned()), Seen::Yes))
        })
        .await
        .map(|init| Self { roster, init })?;
        wait_until("systemd to be up", BOOT_LIMIT, async || {
            ensure!(process.is_alive(), "the guest ended:\n{}", guest.roster.log_end(ROLE));
            // One that asks too early may wait for an answer that never comes.
            let asked = guest.run_within(ASK_LIMIT, &["systemctl", "is-system-running"]).await;
            let Ok(said) = asked else { return Ok(Seen::Not("no answer".to_owned())) };
            Ok(match said.text.trim() {
                "running" => Seen::Yes(()),
                "degraded" => {
                    let failed = guest.must(&["systemctl", "--failed", "--plain", "--no-legend"]).await?;
                    bail!("not all of it starts:\n{failed}")
                }
                other => Seen::Not(other.to_owned()),
            })
        })
        .await?;
        let version = guest.must(&["systemctl", "--version"]).await?;
        step.done(version.lines().next().unwrap_or_default());
        Ok(guest)
    }

    /// Runs a program there, as root.
    ///
    /// # Errors
    /// When it cannot be run or does not end in time.
    pub async fn run(&self, command: &[&str]) -> Result<Said> {
        self.run_within(COMMAND_LIMIT, command).await
    }

    async fn run_within(&self, limit: Duration, command: &[&str]) -> Result<Said> {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.init.to_string()]);
        // Its network is ours, and it has no user namespace.
        nsenter.args(["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd", "env", "-i"]);
        nsenter.args(ENVIRONMENT).args(command).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(limit, nsenter.output()).await;
        let output = output.with_context(|| format!("{} does not end", command.join(" ")))??;
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok(Said { code: output.status.code(), text: text.concat() })
    }

    /// Runs a program that must succeed; what it said.
    ///
    /// # Errors
    /// When it does not; the end of what it said is in the error.
    pub async fn must(&self, command: &[&str]) -> Result<String> {
        let Said { code, text } = self.run(command).await?;
        ensure!(code == Some(0), "{}: {code:?}\n{}", command.join(" "), last_lines(&text, 30));
        Ok(text)
    }

    /// One of its files as it is reached from here.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.init.to_string()).join("root").join(path.trim_start_matches('/'))
    }
}

impl Drop for Guest {
    /// Its first process takes all others with it.
    fn drop(&mut self) {
        let init = i32::try_from(self.init).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(init) = init {
            // An error means that it has ended.
            rustix::process::kill_process(init, rustix::process::Signal::KILL).ok();
        }
    }
}

/// The one child that `unshare --fork` waits for.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
