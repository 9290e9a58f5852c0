//! The one stack that the tests share, and who may use it when.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use xtask::{Connect, Stack};

/// Generous: two loaded cores.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Rolling the oplog loses every connector's position: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The shared stack, for this test alone while it lives. Connectors that a test has made are deleted before the next.
pub(crate) struct Shared {
    pub(crate) stack: Stack,
    _turn: MutexGuard<'static, ()>,
}

impl Shared {
    pub(crate) async fn take() -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let folder = std::env::var_os("RESUMEGUARD_TEST_STACK").map(PathBuf::from);
        let folder = folder.expect("these tests need the real stack: run `cargo xtask test`");
        let stack = Stack::attach(&folder).await.unwrap();
        for name in stack.connect().unwrap().names().await.unwrap() {
            stack.connect().unwrap().delete(&name).await.unwrap();
        }
        Self { stack, _turn: turn }
    }

    pub(crate) fn connect(&self) -> &Connect {
        self.stack.connect().unwrap()
    }

    /// A connector of the shared deployment that runs and has stored a position.
    pub(crate) async fn connector(&self, name: &str, more: Value) {
        let namespace = format!("shared.{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let config = xtask::source_config(self.stack.mongod().uri(), &namespace, &more);
        // An offset left by an earlier run under this name must not count.
        let begun = self.stack.mongod().last().await.unwrap();
        self.connect().put_config(name, &config).await.unwrap();
        self.connect().wait_until(name, LONG, |status| status.all("RUNNING")).await.unwrap();
        xtask::wait_until(&format!("{name}'s first position"), LONG, async || {
            // Again and again: the stream may open after the first insert.
            self.stack.mongod().insert(&namespace, mongodb::bson::doc! { "of": name }).await?;
            let times: Vec<_> = self.connect().offsets(name).await?.iter().filter_map(|o| o.time()).collect();
            let stored = times.iter().any(|time| *time > begun);
            Ok(if stored { xtask::Seen::Yes(()) } else { xtask::Seen::Not(format!("{times:?}")) })
        })
        .await
        .unwrap();
    }
}

/// A configuration with this Connect cluster, quick passes and a short flush.
pub(crate) fn quick(url: &str) -> String {
    format!(
        "[connect.main]\nurl = \"{url}\"\n[poll]\ninterval = \"2s\"\noffset_flush = \"2s\"\nsizes_every = \"1s\"\n"
    )
}

/// Settings that are spelt out nowhere else.
pub(crate) fn nothing() -> Value {
    json!({})
}
