//! `cargo xtask release`: what is handed out, in `target/released`; `cargo xtask deny`: what may be in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use xtask::{Cache, Need, Progress, ensure as ensure_machine, sha256};

use super::cargo::{build_release, workspace};
use super::tools::{crate_tool, run as run_tool};
use super::{dist, licences};

const DENY: (&str, &str) = ("cargo-deny", "0.20.2");
const CYCLONEDX: (&str, &str) = ("cargo-cyclonedx", "0.5.9");
/// Not `target/dist`: the Debian package lays out there what it installs.
const RELEASE: &str = "target/released";
const BILL: &str = "resumeguard.cdx.json";
/// What goes along as it is.
const BESIDE: [&str; 5] = [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "CHANGELOG.md",
    "config/resumeguard.toml",
    "systemd/resumeguard.service",
];

/// Builds the program with its commit, and lays everything beside it that belongs to a release.
pub(crate) async fn run() -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    ensure_machine(&Need::BUILD, &progress).await?;
    let workspace = workspace()?;
    let step = progress.step("build resumeguard as it is released");
    let binary = build_release(&step).await?;
    step.done(&binary.display().to_string());
    let dist = workspace.join(RELEASE);
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    fs::create_dir_all(&dist)?;
    let program = dist.join("resumeguard");
    fs::copy(&binary, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    dist::write(&program, &dist).await?;
    for file in BESIDE {
        let name = Path::new(file).file_name().context("a file without a name")?;
        fs::copy(workspace.join(file), dist.join(name)).with_context(|| format!("cannot copy {file}"))?;
    }
    bill(&workspace, &dist, &cache, &progress).await?;
    licences::write(&dist.join(licences::FILE), &cache, &progress).await?;
    checksums(&dist)?;
    let said = dist::said(&program, &["--version"]).await?;
    let size = fs::metadata(&program)?.len();
    println!("{}{}\n{size} bytes ({:.1} MiB)", String::from_utf8_lossy(&said), dist.display(), mib(size));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::cast_precision_loss, reason = "a size to be read")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// CycloneDX, of what the program is built of.
async fn bill(workspace: &Path, dist: &Path, cache: &Cache, progress: &Progress) -> Result<()> {
    let (name, version) = CYCLONEDX;
    let tool = crate_tool(name, version, &[], cache, progress).await?;
    let manifest = workspace.join("Cargo.toml");
    let manifest = manifest.to_str().context("the folder's name is no UTF-8")?;
    let stem = "resumeguard-bill";
    let arguments = [
        "cyclonedx",
        "--manifest-path",
        manifest,
        "--format",
        "json",
        "--no-build-deps",
        "--spec-version",
        "1.5",
        "--override-filename",
        stem,
    ];
    ensure!(run_tool(&tool, &arguments, workspace).await?, "{name} has failed");
    // It writes one beside the manifest of every member; only the program's is handed out.
    let written = format!("{stem}.json");
    let text = fs::read_to_string(workspace.join(&written)).context("no bill of materials was written")?;
    // Where it was built is nobody's business.
    let here = workspace.to_str().context("the folder's name is no UTF-8")?;
    fs::write(dist.join(BILL), text.replace(here, "/resumeguard"))?;
    for folder in ["", "xtask", "crates/mongodb-resume-token", "crates/resumeguard-core"] {
        let left = workspace.join(folder).join(&written);
        if left.exists() {
            fs::remove_file(left)?;
        }
    }
    Ok(())
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(dist: &Path) -> Result<()> {
    let mut files = Vec::new();
    below(dist, dist, &mut files)?;
    files.sort();
    let line = |name: &String| anyhow::Ok(format!("{}  {name}\n", sha256(&dist.join(name))?));
    let lines: Vec<String> = files.iter().map(line).collect::<Result<_>>()?;
    Ok(fs::write(dist.join("SHA256SUMS"), lines.concat())?)
}

fn below(folder: &Path, root: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, root, found)?;
        } else {
            found.push(path.strip_prefix(root)?.to_str().context("no UTF-8")?.to_owned());
        }
    }
    Ok(())
}

/// Holds every crate against `deny.toml`.
pub(crate) async fn deny() -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let (name, version) = DENY;
    let tool = crate_tool(name, version, &[], &Cache::from_environment()?, &progress).await?;
    let workspace = workspace()?;
    let well = run_tool(&tool, &["--offline", "check", "licenses", "bans", "sources"], &workspace).await?;
    ensure!(well, "something is in it that deny.toml does not allow");
    if run_tool(&tool, &["fetch", "db"], &workspace).await? {
        ensure!(run_tool(&tool, &["check", "advisories"], &workspace).await?, "there are advisories");
        println!("licences, bans, sources and advisories: nothing is against them");
    } else {
        println!("licences, bans and sources: nothing is against them");
        println!("ADVISORIES WERE NOT LOOKED UP: the RustSec database cannot be reached from here");
    }
    Ok(ExitCode::SUCCESS)
}

/// Has everything compiled by the oldest compiler that `rust-version` promises.
pub(crate) async fn msrv() -> Result<ExitCode> {
    let workspace = workspace()?;
    let manifest: toml::Table = fs::read_to_string(workspace.join("Cargo.toml"))?.parse()?;
    let version = manifest["workspace"]["package"]["rust-version"].as_str().context("no rust-version")?;
    let mut command = tokio::process::Command::new("rustup");
    command.args(["run", version, "cargo", "check", "--workspace", "--all-targets", "--locked"]);
    // What this compiler makes must not be mixed with what the usual one made.
    command.current_dir(&workspace).env("CARGO_TARGET_DIR", workspace.join("target/msrv"));
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR"] {
        command.env_remove(name);
    }
    let status = command.status().await.context("rustup is not here, and without it no second compiler")?;
    ensure!(
        status.success(),
        "Rust {version} does not compile it; is it installed? rustup toolchain install {version}"
    );
    println!("Rust {version} compiles it");
    Ok(ExitCode::SUCCESS)
}
