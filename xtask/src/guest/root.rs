//! Debian's own packages as a root folder, made once and kept in the cache; guests write over it and never into it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Suite;
use crate::cache::{Cache, Lock, clear};
use crate::machine::{Need, ensure as ensure_machine, run};
use crate::progress::Progress;

/// Another number makes another root.
const FORM: u32 = 1;

/// What a small server has, and what the package depends on: guests install it without a network.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,ca-certificates,zlib1g,libgcc-s1,procps";

/// What a C library is built with: of what the compiler's public image (`rust:…-bookworm`) has, what our build uses.
const COMPILER: &str = "ca-certificates,gcc,g++,libc6-dev,libssl-dev,make,perl,pkg-config,zlib1g-dev";

/// They would do something to the kernel or the network, which are not the guest's.
const MASKED: [&str; 9] = [
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-udevd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
];

/// The root of a guest, made if it is not there.
pub(super) async fn obtain(cache: &Cache, suite: Suite, progress: &Progress) -> Result<PathBuf> {
    let packages = format!("{PACKAGES},{}", suite.packages());
    made(cache, suite.name(), suite.name(), &packages, prepared, progress).await
}

/// A bookworm with a C compiler.
pub(super) async fn with_compiler(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let nothing = |_: &Path| Ok(());
    made(cache, "bookworm", "bookworm-compiler", COMPILER, nothing, progress).await
}

/// The root by that name, made if it is not there.
async fn made(
    cache: &Cache,
    suite: &str,
    name: &str,
    packages: &str,
    prepared: impl FnOnce(&Path) -> Result<()>,
    progress: &Progress,
) -> Result<PathBuf> {
    let folder = cache.tools().join(format!("debian-{name}-{FORM}"));
    // The kernel lets go of it if we die.
    let lock_path = cache.tools().join(format!(".debian-{name}.lock"));
    let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
    if folder.exists() {
        return Ok(folder);
    }
    ensure_machine(&[Need::Debootstrap], progress).await?;
    let step = progress.step(format!("make a {name}"));
    let scratch = cache.tools().join(format!(".debian-{name}.new"));
    clear(&scratch)?;
    fs::create_dir_all(&scratch)?;
    let include = format!("--include={packages}");
    let scratch_text = scratch.display().to_string();
    // Signed by Debian, or refused.
    let arguments = ["--variant=minbase", "--force-check-gpg", &include, suite, &scratch_text];
    run("debootstrap", &arguments, Path::new("/")).await?;
    prepared(&scratch)?;
    clear(&scratch.join("var/cache/apt/archives"))?;
    fs::rename(&scratch, &folder)?;
    step.done("debootstrap");
    Ok(folder)
}

fn prepared(root: &Path) -> Result<()> {
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        clear_link(&units.join(unit))?;
        symlink("/dev/null", units.join(unit)).with_context(|| format!("cannot mask {unit}"))?;
    }
    fs::write(root.join("etc/hostname"), "guest\n")?;
    Ok(())
}

fn clear_link(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
