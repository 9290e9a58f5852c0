//! What the machine must have before anything can be obtained, built or started. What is missing is installed with
//! apt when we may, else one line says what to type.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::cache::Lock;
use crate::progress::Progress;

/// Pinned so that its options stay what we know.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";

/// Pinned so that the same code has the same mutants, under the same names.
const CARGO_MUTANTS: &str = "cargo-mutants@27.1.0";

/// Pinned so that the same metadata makes the same package.
const CARGO_DEB: &str = "cargo-deb@3.8.0";

/// Something that the machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Java 17 or later: Kafka 4 runs on nothing older.
    Java,
    /// Java's compiler, of 17 or later.
    Jdk,
    /// Node and npm, for the npm decoder.
    Npm,
    /// Valgrind, which counts instructions.
    Valgrind,
    /// kcat, which reads topics as fast as anything.
    Kcat,
    /// Maven, for the jars.
    Maven,
    /// pip, for mongod's wheel.
    Pip,
    /// What rdkafka and the vendored C libraries are compiled with.
    Compiler,
    /// OpenSSL's headers, for rdkafka.
    OpensslHeaders,
    /// zlib's headers, for rdkafka.
    ZlibHeaders,
    /// Shared libraries that mongod links.
    MongodLibraries,
    /// Chromium and its driver, of one version.
    Chromium,
    /// git, for what is built from a tag.
    Git,
    /// What makes a Debian from its packages.
    Debootstrap,
    /// Debian's checker of packages.
    Lintian,
    /// What tells a package's dependencies, for cargo-deb.
    DpkgDev,
    /// Debian's builder of images, which needs no daemon.
    Buildah,
    /// systemd's checker of units.
    SystemdAnalyze,
    /// Go, for the checkers of manifests.
    Go,
    /// The program `openssl`, which puts a key and its certificate into the form that Java reads.
    Openssl,
}

impl Need {
    /// What `cargo build` of the whole workspace needs.
    pub const BUILD: [Self; 3] = [Self::Compiler, Self::OpensslHeaders, Self::ZlibHeaders];

    /// The Debian packages that bring it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Java => &["default-jre-headless"],
            Self::Jdk => &["default-jdk-headless"],
            Self::Npm => &["nodejs", "npm"],
            Self::Valgrind => &["valgrind"],
            Self::Kcat => &["kcat"],
            Self::Maven => &["maven"],
            Self::Pip => &["python3", "python3-pip"],
            Self::Compiler => &["build-essential", "pkg-config"],
            Self::OpensslHeaders => &["libssl-dev"],
            Self::ZlibHeaders => &["zlib1g-dev"],
            Self::MongodLibraries => &["libcurl4", "libssl3", "liblzma5"],
            Self::Chromium => &["chromium", "chromium-driver"],
            Self::Git => &["git"],
            Self::Openssl => &["openssl"],
            Self::Debootstrap => &["debootstrap", "debian-archive-keyring"],
            Self::Lintian => &["lintian"],
            Self::DpkgDev => &["dpkg-dev"],
            Self::Buildah => &["buildah"],
            Self::SystemdAnalyze => &["systemd"],
            Self::Go => &["golang-go"],
        }
    }

    async fn is_met(self) -> bool {
        match self {
            Self::Java => java_major().await.is_some_and(|major| major >= 17),
            Self::Jdk => on_path("javac").is_some() && java_major().await.is_some_and(|major| major >= 17),
            Self::Npm => on_path("node").is_some() && on_path("npm").is_some(),
            Self::Valgrind => on_path("valgrind").is_some(),
            Self::Kcat => on_path("kcat").is_some(),
            Self::Maven => on_path("mvn").is_some(),
            Self::Chromium => on_path("chromium").is_some() && on_path("chromedriver").is_some(),
            Self::Git => on_path("git").is_some(),
            Self::Openssl => on_path("openssl").is_some(),
            Self::Debootstrap => on_path("debootstrap").is_some(),
            Self::Lintian => on_path("lintian").is_some(),
            Self::DpkgDev => on_path("dpkg-shlibdeps").is_some(),
            Self::Buildah => on_path("buildah").is_some(),
            Self::SystemdAnalyze => on_path("systemd-analyze").is_some(),
            Self::Go => on_path("go").is_some(),
            Self::Pip => runs("python3", &["-m", "pip", "--version"]).await,
            Self::Compiler => ["cc", "g++", "make", "pkg-config"].iter().all(|tool| on_path(tool).is_some()),
            Self::OpensslHeaders => runs("pkg-config", &["--exists", "libssl"]).await,
            Self::ZlibHeaders => runs("pkg-config", &["--exists", "zlib"]).await,
            Self::MongodLibraries => ["libcurl.so.4", "libssl.so.3", "liblzma.so.5"].iter().all(|library| {
                ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"]
                    .iter()
                    .any(|folder| Path::new(folder).join(library).exists())
            }),
        }
    }
}

/// Sees to it that the machine has what is needed.
///
/// # Errors
/// When something is missing and we may not, or cannot, install it: the error is the line to type.
pub async fn ensure(needs: &[Need], progress: &Progress) -> Result<()> {
    let mut packages = Vec::new();
    for need in needs {
        if !need.is_met().await {
            packages.extend_from_slice(need.packages());
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {}", packages.join(" "));
    if !may_install() {
        bail!("this machine lacks something; as root: {by_hand}");
    }
    let step = progress.step("install");
    step.note(packages.join(" "));
    apt_update().await.with_context(|| format!("install by hand: {by_hand}"))?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend_from_slice(&packages);
    run("apt-get", &install, Path::new("/")).await.with_context(|| format!("install by hand: {by_hand}"))?;
    for need in needs {
        anyhow::ensure!(need.is_met().await, "{need:?} is still missing after: {by_hand}");
    }
    step.done(&packages.join(" "));
    Ok(())
}

/// The folder of `cargo-fuzz`, to be put on the path. Where there is none it is built into the cache.
///
/// # Errors
/// When rustup has no nightly toolchain, or `cargo-fuzz` does not build.
pub async fn fuzzer(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    let nightly = runs("rustup", &["run", "nightly", "cargo", "--version"]).await;
    anyhow::ensure!(nightly, "fuzzing needs nightly: rustup toolchain install nightly --profile minimal");
    if let Some(folder) = on_path("cargo-fuzz").as_deref().and_then(Path::parent) {
        return Ok(folder.to_owned());
    }
    let lock_path = tools.join(".lock");
    let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
    let root = tools.join(CARGO_FUZZ);
    let folder = root.join("bin");
    if !folder.join("cargo-fuzz").exists() {
        let step = progress.step(format!("build {CARGO_FUZZ}"));
        let root = root.display().to_string();
        let install = ["run", "nightly", "cargo", "install", "--locked", "--root", &root, CARGO_FUZZ];
        run("rustup", &install, Path::new("/")).await?;
        step.done("built");
    }
    Ok(folder)
}

/// `cargo-mutants`, which is built into the cache: another version on the path would make other mutants.
///
/// # Errors
/// When it does not build.
pub async fn mutator(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    built(tools, CARGO_MUTANTS, progress).await
}

/// `cargo-deb`, which is built into the cache.
///
/// # Errors
/// When it does not build.
pub async fn packager(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    built(tools, CARGO_DEB, progress).await
}

/// A program of cargo's, `NAME@VERSION`, built into the cache.
async fn built(tools: &Path, what: &str, progress: &Progress) -> Result<PathBuf> {
    let lock_path = tools.join(".lock");
    let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
    let root = tools.join(what);
    let program = root.join("bin").join(what.split('@').next().unwrap_or(what));
    if !program.exists() {
        let step = progress.step(format!("build {what}"));
        let root = root.display().to_string();
        run("cargo", &["install", "--locked", "--root", &root, what], Path::new("/")).await?;
        step.done("built");
    }
    Ok(program)
}

/// Runs a tool to its end; its output is shown only when it fails.
pub(crate) async fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = last_lines(&String::from_utf8_lossy(&said), 15);
        bail!("{program} {}: {}\n{said}", arguments.join(" "), output.status);
    }
    Ok(())
}

/// What a tool says on its standard output.
pub(crate) async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The end of a text: what a person needs of a long log.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

pub(crate) async fn apt_update() -> Result<()> {
    run("apt-get", &["update", "--quiet"], Path::new("/")).await
}

pub(crate) fn may_install() -> bool {
    rustix::process::geteuid().is_root() && on_path("apt-get").is_some()
}

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

async fn runs(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

async fn java_major() -> Option<u32> {
    let output = Command::new("java").arg("-version").stdin(Stdio::null()).output().await.ok()?;
    major_version(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15" 2025-04-15` → 17. Java 8 calls itself 1.8, which is too old either way.
fn major_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("version \"")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"), Some(17));
        assert_eq!(major_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(major_version("java version \"1.8.0_402\""), Some(1));
        assert_eq!(major_version("command not found"), None);
    }

    #[tokio::test]
    async fn a_failing_tool_shows_the_end_of_what_it_said() {
        let error = run("sh", &["-c", "seq 1 100; exit 3"], Path::new("/")).await.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.ends_with("\n100") && !error.contains("\n85\n"),
            "{error}"
        );
    }
}
