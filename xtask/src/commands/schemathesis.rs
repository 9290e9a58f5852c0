//! `cargo xtask schemathesis`: everything that OpenAPI says of the API, asked of a running daemon with a real history, by
//! somebody who knows no more than the document: no 5xx, and no answer that the document does not name.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::bson::doc;
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::{
    Cache, Need, Progress, Seen, Stack, StackSpec, Stopwatch, ensure as ensure_machine, from_pypi,
    source_config, sweep, wait_until,
};

use super::cargo::build_daemon;
use super::daemon::Daemon;

/// The version whose checks are met; another may check more.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// It has no end, and so cannot be asked like the others; `tests/it/http/stream.rs` does.
const STREAM: &str = "/api/v1/stream";
const TOKEN: &str = "schemathesis-0123456789abcdef";
/// What fits the document may be refused all the same: a cursor is opaque, no schema tells one that was never given.
const UNFIT: &str = "positive_data_acceptance";
const LIMIT: Duration = Duration::from_secs(120);
/// One that works, one whose position will be lost, one whose name has to be encoded.
const CONNECTORS: [&str; 3] = ["orders", "lost", "a b?ü"];

/// How much is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Requests that are made up for each operation, besides those that follow from the document.
    #[arg(long, default_value = "20")]
    examples: u32,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let progress = Progress::to_stderr();
    let cache = Cache::from_environment()?;
    sweep(&cache, &progress)?;
    ensure_machine(&[&Need::BUILD[..], &[Need::Pip]].concat(), &progress).await?;
    let tool = from_pypi(&cache.tools(), SCHEMATHESIS, &progress).await?;
    let step = progress.step("build resumeguard");
    let binary = build_daemon(&step).await?;
    step.done(&binary.display().to_string());
    let stack = Stack::start(StackSpec::unique("schemathesis"), &progress).await?;
    let (daemon, plan) = watched(&stack, &binary, &progress).await?;
    let known = stack.folder().join("schemathesis.toml");
    std::fs::write(&known, known_of(&plan))?;
    let mut well = true;
    for (who, header) in [
        ("who may change everything", Some(format!("Authorization: Bearer {TOKEN}"))),
        ("nobody in particular", None),
    ] {
        let watch = Stopwatch::start();
        progress.line(&format!("asked by {who}"));
        well &= ask(&tool, &known, &daemon.url, header.as_deref(), arguments.examples).await?;
        progress.line(&format!("{} s", watch.elapsed().as_secs()));
        ensure!(daemon.is_alive(), "resumeguard has ended");
        daemon.status().await.context("after being asked, it does not answer any more")?;
    }
    println!(
        "{}",
        if well { "no 5xx, no answer that is not described" } else { "schemathesis has found something" }
    );
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What nobody can make up: the plan and the connector that a look at a decision is about. Decisions themselves are made up, all of them.
fn known_of(plan: &str) -> String {
    let of = |verb: &str, name: &str, value: &str| {
        format!(
            "[[operations]]\ninclude-path = \"/api/v1/recovery/{verb}\"\ninclude-method = \"GET\"\nparameters = {{ \"query.{name}\" = {value:?} }}\n"
        )
    };
    let looks = [("approve", "plan", plan), ("discard", "plan", plan), ("run", "connector", "main/lost")];
    looks.map(|(verb, name, value)| of(verb, name, value)).concat()
}

/// A daemon that has seen a connector lose its position, and has a plan for it: with that plan's id.
async fn watched(stack: &Stack, binary: &Path, progress: &Progress) -> Result<(Daemon, String)> {
    let connect = stack.connect()?;
    for name in CONNECTORS {
        let namespace = format!("api.c{}", name.len());
        connect.put_config(name, &source_config(stack.mongod().uri(), &namespace, &json!({}))).await?;
        connect.wait_until(name, LIMIT, |status| status.all("RUNNING")).await?;
        wait_until("a first position", LIMIT, async || {
            stack.mongod().insert(&namespace, doc! { "of": name }).await?;
            let stored = !connect.offsets(name).await?.is_empty();
            Ok(if stored { Seen::Yes(()) } else { Seen::Not("none".to_owned()) })
        })
        .await?;
    }
    let state = stack.folder().join("state");
    let settings = format!(
        "[connect.main]\nurl = \"{}\"\nmanaged_by = \"none\"\n[poll]\ninterval = \"1s\"\noffset_flush = \"2s\"\n\
         [history]\ndirectory = {state:?}\n[recovery]\nmode = \"approve\"\n",
        connect.url()
    );
    let environment = [("RESUMEGUARD__HTTP__TOKEN", TOKEN), ("RESUMEGUARD__HTTP__REQUESTS_PER_SECOND", "0")];
    let daemon = Daemon::begin(stack.roster()?, binary, &settings, &environment).await?;
    let step = progress.step("a connector loses its position");
    connect.stop("lost").await?;
    stack.mongod().roll_oplog_past(stack.mongod().last().await?).await?;
    let plan = wait_until("a plan", LIMIT, async || {
        let plans: Value = serde_json::from_str(&daemon.get("/api/v1/recovery/plans").await?)?;
        let id = plans["items"][0]["plan"]["id"].as_str().map(str::to_owned);
        Ok(id.map_or_else(|| Seen::Not(plans.to_string()), Seen::Yes))
    })
    .await?;
    step.done("there is a plan");
    Ok((daemon, plan))
}

/// Whether every check has passed. What it says goes to our own output.
async fn ask(tool: &Path, known: &Path, url: &str, header: Option<&str>, examples: u32) -> Result<bool> {
    let mut command = Command::new(tool.join("bin/schemathesis"));
    command.env("PYTHONPATH", tool).current_dir(tool);
    command.arg("--config-file").arg(known);
    command.args(["run", &format!("{url}/api/v1/openapi.json"), "--exclude-path", STREAM]);
    command.args([
        "--checks",
        "all",
        "--exclude-checks",
        UNFIT,
        "--max-examples",
        &examples.to_string(),
        "--seed",
        "1",
        "--no-color",
    ]);
    command.args(header.iter().flat_map(|header| ["--header", header]));
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await;
    Ok(status.context("schemathesis cannot be run")?.success())
}
