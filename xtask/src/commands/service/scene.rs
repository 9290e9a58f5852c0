//! A guest, the stack that its daemon watches, and what is asked of both.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::doc;
use serde_json::{Value, json};
use xtask::{Cache, Guest, Progress, Seen, Stack, Suite, free_ports, source_config, wait_until};

/// Whatever is waited for comes within seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(90);

pub(super) const CONFIGURATION: &str = "/etc/resumeguard/resumeguard.toml";

/// The administrator's own changes of the unit; gone at the next boot, so that nothing of a test's is taken for the package's.
const DROP_INS: &str = "/run/systemd/system/resumeguard.service.d";

pub(super) const UNIT: &str = "resumeguard.service";

/// A guest and a stack.
pub(super) struct Scene<'a> {
    pub(super) guest: Guest,
    pub(super) stack: &'a Stack,
    pub(super) suite: Suite,
    /// The connector that is watched, one for each guest.
    pub(super) connector: String,
    port: u16,
    http: reqwest::Client,
    progress: &'a Progress,
}

impl<'a> Scene<'a> {
    pub(super) async fn set(
        cache: &Cache,
        suite: Suite,
        stack: &'a Stack,
        progress: &'a Progress,
    ) -> Result<Self> {
        let guest = Guest::boot(cache, suite, progress).await?;
        let [port] = free_ports()?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        // What an earlier one on the same stack has stored is nobody's any more.
        let connector = format!("service-{}-{}", suite.name(), std::process::id());
        let scene = Self { guest, stack, suite, connector, port, http, progress };
        scene.connected().await?;
        Ok(scene)
    }

    /// A connector that has stored a position.
    async fn connected(&self) -> Result<()> {
        let (connect, name) = (self.stack.connect()?, &self.connector);
        let namespace = self.namespace();
        connect.put_config(name, &source_config(self.stack.mongod().uri(), &namespace, &json!({}))).await?;
        connect.wait_until(name, LIMIT, |status| status.all("RUNNING")).await?;
        wait_until("a first position", LIMIT, async || {
            self.stack.mongod().insert(&namespace, doc! { "of": name }).await?;
            let stored = !connect.offsets(name).await?.is_empty();
            Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".to_owned()) })
        })
        .await
    }

    fn namespace(&self) -> String {
        format!("service.{}", self.suite.name())
    }

    /// One line of what was shown.
    pub(super) fn shown(&self, what: &str) {
        self.progress.line(&format!("{}: {what}", self.suite.name()));
    }

    /// The shipped configuration, edited as a person would, and more at its end.
    pub(super) fn configure(&self, recovery: &str) -> Result<()> {
        self.configure_with(recovery, &format!("/run/credentials/{UNIT}/mongodb-uri"))
    }

    /// The same, with the connection string in that file.
    pub(super) fn configure_with(&self, recovery: &str, uri_file: &str) -> Result<()> {
        let path = self.guest.path("/root/shipped.toml");
        let shipped = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let as_shipped = "[recovery]\nmode = \"plan\"";
        ensure!(shipped.contains(as_shipped), "recovery is not where it was in the shipped configuration");
        let mut text = shipped.replace(as_shipped, &format!("[recovery]\n{recovery}"));
        text.push_str(&format!(
            "\n[poll]\ninterval = \"1s\"\noffset_flush = \"2s\"\n[http]\nlisten = \"127.0.0.1:{}\"\n",
            self.port
        ));
        // The connector's own connection string is not to be used: only what was handed over as a credential helps.
        text.push_str(&format!(
            "\n[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\nuse_connector_uris = false\n\
             [mongodb.rs0]\nuri_file = \"{uri_file}\"\nconnectors = [\"*\"]\n",
            self.stack.connect_url()?
        ));
        // In place: whose it is and who may read it stays as the package has made it.
        Ok(fs::write(self.guest.path(CONFIGURATION), text)?)
    }

    /// Something that an administrator adds to the unit.
    pub(super) async fn drop_in(&self, name: &str, text: &str) -> Result<()> {
        let folder = self.guest.path(DROP_INS);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), format!("[Service]\n{text}"))?;
        self.systemctl(&["daemon-reload"]).await.map(drop)
    }

    /// Takes it away again.
    pub(super) async fn undrop(&self, name: &str) -> Result<()> {
        fs::remove_file(self.guest.path(DROP_INS).join(name))?;
        self.systemctl(&["daemon-reload"]).await.map(drop)
    }

    pub(super) async fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        self.guest.must(&[&["systemctl"], arguments].concat()).await
    }

    /// Restarts it, as often as a test needs it: systemd would refuse the sixth within ten seconds.
    pub(super) async fn restart(&self) -> Result<()> {
        self.systemctl(&["reset-failed", UNIT]).await?;
        self.systemctl(&["restart", UNIT]).await.map(drop)
    }

    /// A property of the service, as systemd has it.
    pub(super) async fn property(&self, name: &str) -> Result<String> {
        let said = self.systemctl(&["show", UNIT, "--value", "--property", name]).await?;
        Ok(said.trim().to_owned())
    }

    /// Waits until a property is like that.
    pub(super) async fn until(&self, name: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let what = format!("another {name}");
        let said = wait_until(&what, LIMIT, async || {
            let value = self.property(name).await?;
            Ok(if wanted(&value) { Seen::Yes(value) } else { Seen::Not(value) })
        });
        match said.await {
            Ok(value) => Ok(value),
            Err(error) => Err(error.context(self.logged(&["--lines", "20"]).await.unwrap_or_default())),
        }
    }

    /// What the service has logged, as journald has it.
    pub(super) async fn logged(&self, more: &[&str]) -> Result<String> {
        let call = ["journalctl", "--unit", UNIT, "--output", "cat", "--no-pager", "--quiet"];
        self.guest.must(&[&call[..], more].concat()).await
    }

    /// A page of the daemon.
    pub(super) async fn get(&self, path: &str) -> Result<String> {
        let answer = self.http.get(format!("http://127.0.0.1:{}{path}", self.port)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// The same, understood.
    pub(super) async fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get(path).await?)?)
    }

    /// Waits until a line of the metrics begins so.
    pub(super) async fn until_metric(&self, line: &str) -> Result<()> {
        wait_until(line, LIMIT, async || {
            Ok(match self.get("/metrics").await {
                Ok(page) if page.lines().any(|each| each.starts_with(line)) => Seen::Yes(()),
                Ok(_) => Seen::Not("not on the page".to_owned()),
                Err(error) => Seen::Not(format!("{error:#}")),
            })
        })
        .await
    }

    /// Waits until the connector's verdict is that.
    pub(super) async fn until_verdict(&self, verdict: &str) -> Result<()> {
        let name = &self.connector;
        let line = format!(
            "resumeguard_connector_verdict{{connect_cluster=\"main\",connector=\"{name}\",verdict=\"{verdict}\"}} 1"
        );
        self.until_metric(&line).await
    }

    /// Puts a file there.
    pub(super) fn put(&self, from: &Path, to: &str) -> Result<()> {
        fs::copy(from, self.guest.path(to)).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    }

    /// Fails, with what the service has logged, unless that is so.
    pub(super) async fn holds(&self, so: bool, what: &str) -> Result<()> {
        if so {
            return Ok(());
        }
        let log = self.logged(&["--lines", "30"]).await.unwrap_or_default();
        anyhow::bail!("{}: not so: {what}\n{log}", self.suite.name())
    }
}
