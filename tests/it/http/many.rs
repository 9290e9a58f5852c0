//! Ten thousand connectors over a thousand deployments: no page grows with them. How long each takes is printed, and held against nothing.

use super::{Served, published, sample};
use resumeguard::publish::status::{Connector, Oplog, Status};

const CONNECTORS: usize = 10_000;
const DEPLOYMENTS: usize = 1_000;
/// A page of a hundred rows, each with its finding.
const LARGEST: usize = 400 << 10;

fn fleet() -> Status {
    let one = sample();
    let connector = |number: usize| Connector {
        connector: format!("tenant-{number:05}"),
        connect_cluster: format!("cluster-{}", number % 20),
        deployment: Some(format!("rs{}", number % DEPLOYMENTS)),
        verdict: if number < 50 { "lost".into() } else { "safe".into() },
        ..one.connectors[0].clone()
    };
    let member = |number: usize| Oplog {
        deployment: format!("rs{}", number % DEPLOYMENTS),
        member: format!("db{number}.example:27017"),
        ..one.oplogs[0].clone()
    };
    let source = |number: usize| resumeguard::publish::status::Source {
        name: format!("rs{number}/db.example:27017"),
        ..one.sources[0].clone()
    };
    Status {
        connectors: (0..CONNECTORS).map(connector).collect(),
        oplogs: (0..3 * DEPLOYMENTS).map(member).collect(),
        sources: (0..3 * DEPLOYMENTS).map(source).collect(),
        ..one
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_grows_with_the_fleet() {
    let served = Served::start("requests_per_second = 0", "mode = \"approve\"\n").await;
    let begun = xtask::Stopwatch::start();
    served.board.put(published(&fleet()));
    println!("{CONNECTORS} connectors, {DEPLOYMENTS} deployments: rendered in {:.0?}", begun.elapsed());
    let client = reqwest::Client::new();
    for (path, rows) in [
        ("/", 100),
        ("/?page=100", 100),
        ("/?q=tenant-0999", 10),
        ("/?q=nobody", 0),
        ("/?verdict=lost", 50),
        ("/?deployment=rs7", 10),
        ("/?connect_cluster=cluster-3&page=5", 100),
        ("/connectors/cluster-19/tenant-09999", 0),
        ("/recovery", 0),
        ("/findings", 0),
        ("/api/v1/connectors", 0),
        ("/api/v1/rules", 0),
        ("/api/v1/findings?limit=100", 0),
    ] {
        let begun = xtask::Stopwatch::start();
        let answer = client.get(served.url(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let page = answer.text().await.unwrap();
        println!("{path}: {:.0?}, {} KiB", begun.elapsed(), page.len() >> 10);
        assert_eq!(page.matches("<tr id=\"c/").count(), rows, "{path}");
        assert!(page.len() < LARGEST, "{path} has {} bytes", page.len());
        assert!(page.matches("class=\"band\"").count() <= 4, "{path}");
    }
}

/// Of ten thousand plans a hundred are drawn, and one is found by its name.
#[test]
fn plans_are_drawn_a_page_at_a_time() {
    use resumeguard_core::domain::ConnectorId;
    use resumeguard_core::recovery::{Blocker, Planned};
    let one = &crate::recovery::sample::plans()[0];
    let planned = |number: usize| {
        let mut planned: Planned = one.clone();
        planned.plan.connector = ConnectorId::new("main", &format!("tenant-{number:05}"));
        planned.plan = planned.plan.named();
        planned.alternatives.clear();
        if number == CONNECTORS - 1 {
            planned.blockers = vec![Blocker::AwaitsApproval];
        }
        planned
    };
    let plans: Vec<Planned> = (0..CONNECTORS).map(planned).collect();
    let ledger = crate::recovery::sample::ledger();
    let seen = crate::recovery::sample::seen(&plans, &ledger);
    let begun = xtask::Stopwatch::start();
    let (page, all) = seen.plans_at(&|all| 0..all.min(100));
    println!("a hundred of {all} plans: {:.0?}", begun.elapsed());
    assert_eq!((page.len(), all), (100, CONNECTORS));
    // The one that waits for a person comes first.
    assert_eq!((page[0].connector.as_str(), page[1].connector.as_str()), ("tenant-09999", "tenant-00000"));
    let found = seen.plan(&plans[7_777].plan.id.0).unwrap();
    assert_eq!(found.connector, "tenant-07777");
    assert_eq!(seen.plan("x"), None);
}
