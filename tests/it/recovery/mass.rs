//! Many positions lost at once: whoever approves one of their plans says of how many they know, by the socket and by HTTP.
//! What the daemon says is swept for `leaks` as in `daemon`.

use super::asked_by_socket;
use super::daemon::Daemon;
use crate::fake_connect::{Answer, FakeConnect, offsets};
use serde_json::{Value, json};

/// So many connectors, each failed with 286, at a deployment that nobody can reach.
fn lost(count: usize) -> Answer {
    let trace = "org.apache.kafka.connect.errors.ConnectException: Failed to resume change stream: Resume of change stream was not possible, as the resume point may no longer be in the oplog. 286\n\tat com.mongodb.kafka.connect.source";
    let one = |number: usize| {
        let name = format!("orders-{number}");
        let connector = json!({
            "status": { "name": name, "connector": { "state": "RUNNING" }, "type": "source",
                "tasks": [{ "id": 0, "state": "FAILED", "trace": trace, "worker_id": "10.0.0.1:8083" }] },
            "info": { "name": name, "config": {
                "connector.class": "com.mongodb.kafka.connect.MongoSourceConnector",
                "connection.uri": "mongodb://127.0.0.1:9/?replicaSet=rs0", "database": "db", "collection": name,
            } },
        });
        (name, connector)
    };
    Answer::Json(Value::Object((0..count).map(one).collect()).to_string())
}

/// The first connector's plan.
fn first(overview: &Value) -> &Value {
    &overview["plans"][0]["plan"]
}

fn blockers(overview: &Value) -> String {
    first(overview)["blockers"].to_string()
}

fn tells(overview: &Value, lost: usize) -> bool {
    blockers(overview).contains(&format!("{lost} connectors of this Connect cluster lost"))
}

async fn by_http(daemon: &Daemon, plan: &str, told: Option<usize>) -> (u16, String) {
    let mut body = json!({ "reason": "one cause, and it is found", "plan": plan });
    if let Some(told) = told {
        body["mass_failure"] = told.into();
    }
    let url = format!("http://{}/api/v1/recovery/approve", daemon.address);
    let request = reqwest::Client::new().post(url).bearer_auth("0123456789abcdef").json(&body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_approves_one_of_many_has_to_know_of_how_many() {
    let fake = FakeConnect::start(lost(4), offsets(&[])).await;
    let token = "token = \"0123456789abcdef\"\n";
    let daemon = Daemon::start_with(&fake.url, tempfile::tempdir().unwrap(), token, "info");
    let overview = daemon.until(|seen| tells(seen, 4)).await;
    let id = first(&overview)["id"].as_str().unwrap().to_owned();
    // Three of them at a time: the overview leads to the last one.
    let (status, three) = asked_by_socket(&daemon.socket(), "?limit=3", None).await;
    let names = |plans: &Value| {
        let all = plans.as_array().unwrap().iter();
        all.map(|one| one["connector"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (status, names(&three["plans"])),
        (200, ["orders-0", "orders-1", "orders-2"].map(str::to_owned).to_vec())
    );
    let cursor = three["next_plans"].as_str().unwrap();
    let (_, last) = asked_by_socket(&daemon.socket(), &format!("/plans?cursor={cursor}"), None).await;
    assert_eq!((names(&last["items"]), &last["next"]), (vec!["orders-3".to_owned()], &Value::Null));
    let approve = async |told: Option<&str>| {
        let line = ["recovery", "approve", &id, "--reason", "it is found"];
        let more = told.map(|told| ["--mass-failure", told]);
        daemon.run(&[&line[..], more.as_ref().map_or(&[][..], |more| &more[..])].concat()).await
    };

    // Without a number, and with one that is too small.
    for told in [None, Some("3")] {
        let refused = approve(told).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(&format!("approve {id} --mass-failure 4 ")), "{refused:?}");
    }
    for told in [None, Some(3)] {
        let (status, says) = by_http(&daemon, &id, told).await;
        assert!(status == 409 && says.contains("--mass-failure 4 "), "{status} {says}");
    }

    // To have it done now takes no less.
    let run = ["recovery", "run", "orders-0", "--reason", "it is found"];
    let refused = daemon.run(&run).await;
    assert!(refused.code == 1 && refused.stderr.contains("--mass-failure 4 "), "{refused:?}");
    let refused = daemon.run(&[&run[..], &["--mass-failure", "3"]].concat()).await;
    assert!(refused.code == 1 && refused.stderr.contains("--mass-failure 4 "), "{refused:?}");
    let refused = daemon.run(&[&run[..], &["--mass-failure", "4"]].concat()).await;
    assert!(
        refused.code == 1 && !refused.stderr.contains("--mass-failure"),
        "what else blocks it: {refused:?}"
    );

    // One more since somebody has looked.
    fake.answer_listing_with(lost(5));
    daemon.until(|seen| tells(seen, 5)).await;
    let refused = approve(Some("4")).await;
    assert!(refused.code == 1 && refused.stderr.contains("--mass-failure 5 "), "{refused:?}");
    let (status, says) = by_http(&daemon, &id, Some(4)).await;
    assert!(status == 409 && says.contains("--mass-failure 5 "), "{status} {says}");
    let (status, says) = by_http(&daemon, &id, Some(5)).await;
    assert_eq!(status, 200, "{says}");
    let decided =
        |seen: &Value| !blockers(seen).contains("at once") && !blockers(seen).contains("has to approve");
    daemon.until(decided).await;

    // One more since then: that was not approved, and is told again.
    fake.answer_listing_with(lost(6));
    daemon.until(|seen| tells(seen, 6)).await;
    let approved = approve(Some("6")).await;
    assert_eq!(approved.code, 0, "{approved:?}");
    daemon.until(decided).await;
    // Fewer are none that nobody has told of.
    fake.answer_listing_with(lost(5));
    daemon
        .until(|seen| seen["plans"].as_array().is_some_and(|plans| plans.len() == 5) && decided(seen))
        .await;
}
