//! A row of the matrix proper: killed at a fail-point, started again, looked at.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::super::relay::Change;
use super::journal::Told;
use super::rows::{Row, Trouble};
use super::scene::{Lane, Scene, killed};

/// Changes that must not have been carried out twice, however often the daemon was killed: a second one would lose history, or
/// undo what others did meanwhile. All others may be repeated once.
const ONCE: [&str; 2] = ["PATCH offsets", "PATCH offsets null"];

/// What a row showed.
#[derive(Debug)]
pub(super) struct Shown {
    /// How the attempt ended.
    pub(super) outcome: String,
    pub(super) entries: u64,
    pub(super) changes: String,
}

/// Kills, restarts, and holds the outcome against everything that must be so.
pub(super) async fn run(lane: &Lane, row: &Row) -> Result<Shown> {
    let scene = Scene::begin(lane, &row.name, row.trouble).await?;
    let settings = settings(row);
    let mut known = 0;
    let mut order = vec!["recovery", "run", &row.name, "--strategy", row.strategy, "--reason", "kill matrix"];
    let attempt;
    if matches!(row.trouble, Trouble::Salvaged | Trouble::PutBack) {
        let daemon = scene.daemon(&settings, None).await?;
        scene.ask(&daemon, &order, 0).await?;
        let told = scene.ends(&daemon, 1).await?;
        attempt = told.attempts.first().map(|attempt| attempt.attempt.clone()).unwrap_or_default();
        order = vec!["recovery", "restore", &attempt, "--reason", "kill matrix"];
        known = told.attempts.len();
        if row.trouble == Trouble::PutBack {
            // Events were inserted until it had ended: a position that still moves is another than the plan's.
            scene.stores(scene.set().mongo()).await?;
        }
        killed(lane);
    }
    let before = scene.relay.changes().len();
    let nth = if row.nth > 1 { format!(":{}", row.nth) } else { String::new() };
    let failpoint = format!("{}:{}{nth}", row.step, row.point.code());
    let daemon = scene.daemon(&settings, Some(&failpoint)).await?;
    if !row.auto {
        scene.ask(&daemon, &order, known).await?;
    }
    scene.dies(&daemon).await?;
    killed(lane);
    let daemon = scene.daemon(&settings, None).await?;
    let told = scene.ends(&daemon, known + 1).await?;
    let changes: Vec<Change> = scene.relay.changes().into_iter().skip(before).collect();
    check(&scene, row, &told, &changes, known).await.map_err(|error| {
        let asked: Vec<String> = changes.iter().map(|c| format!("{} {}", c.kind(), c.status)).collect();
        anyhow::anyhow!("{error:#}\n    {}\n    asked: {}", told.story(), asked.join(", "))
    })?;
    let outcome = told.attempts.last().map(|attempt| attempt.outcome.clone()).unwrap_or_default();
    Ok(Shown { outcome, entries: told.entries, changes: counted(&changes) })
}

fn settings(row: &Row) -> String {
    let mode = if row.auto { "auto" } else { "approve" };
    let strategy = if matches!(row.trouble, Trouble::LowHeadroom | Trouble::Running) {
        "threshold = \"300d\"\n".to_owned()
    } else {
        format!("strategy = \"{}\"\n", row.strategy)
    };
    format!(
        "mode = \"{mode}\"\n\n[recovery.policies.row]\nconnectors = [\"*\"]\nmode = \"{mode}\"\n{strategy}"
    )
}

async fn check(scene: &Scene<'_>, row: &Row, told: &Told, changes: &[Change], known: usize) -> Result<()> {
    ensure!(told.check == "ok", "the journal is damaged: {}", told.check);
    ensure!(told.attempts.len() == known + 1, "{} attempts, and not {}", told.attempts.len(), known + 1);
    let outcome = told.attempts.last().map(|attempt| attempt.outcome.as_str());
    ensure!(outcome == Some(row.ends()), "it ended as {outcome:?}, and not as {}", row.ends());
    let twice = told.done_twice();
    ensure!(twice.is_empty(), "done twice: {}", twice.join(", "));
    let tries = told.steps.iter().filter(|step| step.step == row.step).count();
    ensure!(tries > 0, "no {} in the journal", row.step);
    for kind in changes.iter().map(Change::kind) {
        let times = changes.iter().filter(|change| change.took_effect() && change.kind() == kind).count();
        let once = ONCE.contains(&kind.as_str());
        let most = planned(told, &kind) + usize::from(!once);
        ensure!(times <= most, "{kind} was carried out {times} times, and not {most} at most");
    }
    let markers = scene.markers_written().await?;
    ensure!(markers <= 1, "{markers} markers were written");
    match row.trouble {
        Trouble::Failed if row.ends() == "put_back" => scene.is_failed_again().await?,
        Trouble::Failed
        | Trouble::OldConnect
        | Trouble::OldTopic
        | Trouble::PutBack
        | Trouble::Running
        | Trouble::Outage => scene.is_well().await?,
        Trouble::Refused => scene.is_started().await?,
        Trouble::Paused => {
            scene.is_paused().await?;
            scene.is_inside().await?;
        }
        Trouble::Salvaged | Trouble::Rejected => {
            scene.is_paused().await?;
            scene.is_put_back().await?;
        }
        Trouble::LowHeadroom => {
            let size = scene.set().mongo().client().database("local");
            let stats = size.run_command(mongodb::bson::doc! { "collStats": "oplog.rs" }).await?;
            let bytes = stats.get("maxSize").and_then(|size| size.as_i64().or(size.as_i32().map(i64::from)));
            ensure!(bytes == Some(990 << 20), "the oplog holds {bytes:?} bytes");
        }
    }
    let changed: &[&str] = if row.trouble == Trouble::OldConnect { &["offset.partition.name"] } else { &[] };
    scene.is_as_before(changed).await
}

/// In how many places of the last attempt a change of this kind was wanted; a step that was begun again stands in one.
fn planned(told: &Told, kind: &str) -> usize {
    let steps = match kind {
        "PATCH offsets" => &["write_mark", "restore_offset"][..],
        "PATCH offsets null" => &["remove_offset"],
        "PUT stop" => &["stop"],
        "PUT resume" => &["resume"],
        "PUT pause" => &["pause"],
        "POST restart" => &["restart_tasks", "restart"],
        _ => &["configure", "start_at_oldest"],
    };
    let last = told.attempts.last().map(|attempt| attempt.attempt.as_str());
    let of_it = told.steps.iter().filter(|step| Some(step.attempt.as_str()) == last);
    let places = of_it.filter(|step| steps.contains(&step.step.as_str()));
    places.map(|step| (step.phase.as_str(), step.round, step.number)).collect::<BTreeSet<_>>().len()
}

/// `PUT stop 1, PATCH offsets 1, …`.
fn counted(changes: &[Change]) -> String {
    let mut kinds: Vec<String> = changes.iter().map(Change::kind).collect();
    kinds.dedup();
    let times = |kind: &String| changes.iter().filter(|change| change.kind() == *kind).count();
    let mut seen: Vec<String> = Vec::new();
    kinds.retain(|kind| {
        let new = !seen.contains(kind);
        seen.push(kind.clone());
        new
    });
    kinds.iter().map(|kind| format!("{kind} {}", times(kind))).collect::<Vec<_>>().join(", ")
}
