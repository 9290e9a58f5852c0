//! Thousands of connectors: a stand-in, as no machine of ours runs so many real ones. Its answers are a real worker's.

use crate::fake_connect::{Answer, FakeConnect, listing_with, offsets};
use resumeguard::{clock::Clock, config, daemon::Watch};
use resumeguard_core::domain::{Snapshot, Verdict, Why};
use std::collections::BTreeMap;
use std::time::Duration;

const CONNECTORS: usize = 5_000;

/// The default.
const INTERVAL: Duration = Duration::from_secs(15);

fn reasons(snapshot: &Snapshot) -> BTreeMap<&'static str, usize> {
    let mut reasons = BTreeMap::new();
    for connector in &snapshot.connectors {
        let Verdict::Unknown(why) = connector.verdict else { panic!("{connector:?}") };
        *reasons.entry(why.code()).or_default() += 1;
    }
    reasons
}

/// Every connector has a user of its own, so that there are as many connection strings, and a third have a host of their own.
/// A pass ends within its interval all the same, and what it did not get to is the next one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_five_thousand_connectors_ends_within_its_interval() {
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    let names: Vec<String> = (0..CONNECTORS).map(|number| format!("c{number}")).collect();
    // Nobody listens on these addresses.
    let uri = |name: &str| {
        let number: usize = name[1..].parse().unwrap();
        let host = if number.is_multiple_of(3) { number / 250 } else { 0 };
        format!("mongodb://user{number}:pw@127.1.0.{host}:9/")
    };
    let named: Vec<(&str, String)> = names.iter().map(|name| (name.as_str(), uri(name))).collect();
    let fake = FakeConnect::start(listing_with(&named), offsets(&[])).await;
    let sources = config::Sources { connect: vec![fake.url.clone()], ..Default::default() };
    let (_, config) = config::load(&sources).unwrap();
    assert_eq!(config.poll.interval, INTERVAL);
    let mut watch = Watch::new(&config, Clock::start()).unwrap();
    let mut read = 0;
    for pass in 0..3 {
        let begun = xtask::Stopwatch::start();
        let snapshot = watch.pass().await;
        let took = begun.elapsed();
        assert!(took < INTERVAL, "pass {pass} took {took:.1?}");
        assert_eq!(snapshot.connectors.len(), CONNECTORS);
        let reasons = reasons(&snapshot);
        let now = reasons.get(Why::NoPosition.code()).copied().unwrap_or(0);
        let later = reasons.get(Why::NotReadYet.code()).copied().unwrap_or(0);
        assert_eq!(now + later, CONNECTORS, "{reasons:?}");
        assert!(now > read || now == CONNECTORS, "pass {pass} read nothing more: {now}");
        read = now;
        println!("pass {pass}: {took:.1?}, {now} positions read");
    }
    // Gone in one pass, and nothing is left of them.
    fake.answer_listing_with(Answer::Json("{}".into()));
    assert_eq!(watch.pass().await.connectors.len(), 0);
}
