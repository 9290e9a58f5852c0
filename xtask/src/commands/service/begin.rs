//! The first day: installed, not configured yet, configured, started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xtask::{Seen, Stopwatch, wait_until};

use super::scene::{CONFIGURATION, LIMIT, Scene, UNIT};

/// systemd's own measure of how much a service could do to its machine, in tenths: 0 nothing, 100 everything.
const MOST_EXPOSED: u32 = 12;

/// What the package promises to install.
const FILES: [&str; 10] = [
    "/usr/bin/resumeguard",
    "/usr/lib/sysusers.d/resumeguard.conf",
    "/usr/share/bash-completion/completions/resumeguard",
    "/usr/share/doc/resumeguard/copyright",
    "/usr/share/doc/resumeguard/examples/resumeguard.toml",
    "/usr/share/doc/resumeguard/third-party-licences.txt",
    "/usr/share/fish/vendor_completions.d/resumeguard.fish",
    "/usr/share/man/man1/resumeguard.1.gz",
    "/usr/share/resumeguard/prometheus/resumeguard.rules.yaml",
    "/usr/share/zsh/vendor-completions/_resumeguard",
];

/// Installs the package by apt, as a person would, without a network.
pub(super) async fn installed(scene: &Scene<'_>, package: &Path) -> Result<()> {
    let before = scene.guest.must(&["find", "/", "-xdev", "-type", "f"]).await?.lines().count();
    scene.put(package, "/root/previous.deb")?;
    let said = scene.guest.must(&["apt-get", "install", "--yes", "/root/previous.deb"]).await?;
    scene.holds(said.contains("systemctl enable --now resumeguard"), "the next step is told").await?;
    let after = scene.guest.must(&["find", "/", "-xdev", "-type", "f"]).await?.lines().count();
    for file in FILES {
        ensure!(scene.guest.path(file).exists(), "{file} is not installed");
    }
    let whose = scene.guest.must(&["stat", "--format", "%a %U:%G", CONFIGURATION]).await?;
    ensure!(whose.trim() == "640 root:resumeguard", "{CONFIGURATION} is {whose}");
    let user = scene.guest.must(&["getent", "passwd", "resumeguard"]).await?;
    ensure!(user.contains("nologin"), "somebody could log in: {user}");
    let said = scene.guest.run(&["systemctl", "is-enabled", UNIT]).await?;
    ensure!(said.text.trim() == "disabled", "{said:?}");
    ensure!(scene.property("ActiveState").await? == "inactive", "it runs before anybody has asked");
    // As it was shipped, to be edited more than once.
    scene.put(&scene.guest.path(CONFIGURATION), "/root/shipped.toml")?;
    scene.shown(&format!("installed by apt, {} files; neither enabled nor started", after - before));
    Ok(())
}

/// Started before anything was configured, it says what is missing, and is not started over and over.
pub(super) async fn without_a_configuration(scene: &Scene<'_>) -> Result<()> {
    let said = scene.guest.run(&["systemctl", "start", UNIT]).await?;
    ensure!(said.code != Some(0), "systemctl start says that all is well");
    // `activating` and `auto-restart` where it were to be tried again.
    for (name, wanted) in
        [("ActiveState", "failed"), ("SubState", "failed"), ("ExecMainStatus", "78"), ("NRestarts", "0")]
    {
        let value = scene.property(name).await?;
        scene.holds(value == wanted, &format!("{name} is {value}, not {wanted}")).await?;
    }
    let told = scene.logged(&["--priority", "err"]).await?;
    scene
        .holds(
            told.contains("no Kafka Connect cluster is named"),
            "the log says what is missing, as an error",
        )
        .await?;
    let status = scene.guest.run(&["systemctl", "status", UNIT]).await?.text;
    scene.holds(status.contains("no Kafka Connect cluster is named"), "so does systemctl status").await?;
    scene.shown("without a configuration: status 78, one line that says what to add, no restart");
    Ok(())
}

/// Whoever writes a secret may come later, at boot: it is waited for, and nobody has to start anything again.
pub(super) async fn waits_for_a_secret(scene: &Scene<'_>) -> Result<()> {
    const LATE: &str = "/etc/resumeguard/late-uri";
    scene.configure_with("mode = \"plan\"", LATE)?;
    scene.systemctl(&["reset-failed", UNIT]).await?;
    scene.guest.run(&["systemctl", "start", UNIT]).await?;
    scene.until("NRestarts", |times| times.parse::<u32>().is_ok_and(|times| times >= 1)).await?;
    let status = scene.until("ExecMainStatus", |status| status == "69").await?;
    let told = scene.logged(&["--priority", "err"]).await?;
    let line = "mongodb.rs0.uri_file: /etc/resumeguard/late-uri: No such file or directory";
    scene.holds(told.contains(line), "the log says which file is not there").await?;
    let watch = Stopwatch::start();
    fs::write(scene.guest.path(LATE), scene.stack.mongod().uri())?;
    scene.guest.must(&["chgrp", "resumeguard", LATE]).await?;
    scene.guest.must(&["chmod", "640", LATE]).await?;
    scene.until("ActiveState", |state| state == "active").await?;
    scene.until_verdict("safe").await?;
    scene.shown(&format!(
        "a secret that is not there: status {status}, tried again; {:.1} s after it was written all is safe",
        watch.elapsed().as_secs_f64()
    ));
    scene.systemctl(&["stop", UNIT]).await?;
    fs::remove_file(scene.guest.path(LATE))?;
    Ok(())
}

/// The installed unit, as this systemd understands it.
pub(super) async fn unit_is_sound(scene: &Scene<'_>) -> Result<()> {
    let said = scene.guest.must(&["systemd-analyze", "verify", UNIT]).await?;
    ensure!(said.trim().is_empty(), "systemd-analyze verify: {said}");
    let security = [
        "systemd-analyze",
        "security",
        "--no-pager",
        "--offline=yes",
        "/lib/systemd/system/resumeguard.service",
    ];
    let said = scene.guest.must(&security).await?;
    let figure = said.lines().find_map(|line| line.split("exposure level for resumeguard.service: ").nth(1));
    let figure = figure.with_context(|| format!("no figure in {said}"))?;
    let tenths = figure.split(' ').next().unwrap_or_default().replace('.', "");
    let tenths: u32 = tenths.parse().with_context(|| format!("no figure: {figure}"))?;
    ensure!(tenths <= MOST_EXPOSED, "exposed: {figure}");
    scene.shown(&format!("systemd-analyze verify says nothing, security {figure}"));
    Ok(())
}

/// Configured, with a credential that only root can read, it starts, is ready, and is scraped.
pub(super) async fn watches(scene: &Scene<'_>) -> Result<()> {
    let secret = scene.guest.path("/etc/resumeguard/mongodb-uri");
    fs::write(&secret, scene.stack.mongod().uri())?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    scene.configure("mode = \"plan\"")?;
    scene.drop_in("credentials.conf", "LoadCredential=mongodb-uri:/etc/resumeguard/mongodb-uri\n").await?;
    let watch = Stopwatch::start();
    scene.systemctl(&["enable", "--now", UNIT]).await?;
    let ready = watch.elapsed();
    // Type=notify: it returns once the daemon serves.
    let page = scene.get("/metrics").await?;
    ensure!(page.contains("resumeguard_build_info"), "no page of metrics:\n{page}");
    scene.until_verdict("safe").await?;
    let status = scene.until("StatusText", |text| text.contains("1 safe")).await?;
    scene.shown(&format!("ready after {} ms, scraped; `{status}`", ready.as_millis()));
    let whose = scene.guest.must(&["stat", "--format", "%a %U:%G", "/var/lib/resumeguard"]).await?;
    ensure!(whose.trim() == "700 resumeguard:resumeguard", "/var/lib/resumeguard is {whose}");
    // The commands find the daemon by the installed configuration.
    wait_until("status", LIMIT, async || {
        let said = scene.guest.run(&["resumeguard", "status"]).await?;
        Ok(if said.code == Some(0) { Seen::Yes(()) } else { Seen::Not(said.text) })
    })
    .await?;
    scene.guest.must(&["resumeguard", "healthcheck"]).await?;
    let leaked = scene.logged(&[]).await?;
    ensure!(
        !leaked.contains("<6>") && leaked.contains("watching"),
        "priorities are journald's, not text:\n{leaked}"
    );
    Ok(())
}
