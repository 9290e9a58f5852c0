//! Old samples are thinned out; what is too old or too much goes.

use super::{BEGIN, Kept, kept_in, number, report, snapshot};
use resumeguard_core::domain::Verdict;
use std::time::Duration;

#[tokio::test]
async fn every_pass_of_an_hour_every_minute_of_a_day_then_every_hour() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let (step, end) = (20, BEGIN + 30 * 3_600);
    for at in (BEGIN..=end).step_by(step) {
        kept.pass(&snapshot(at, vec![report("orders", Verdict::Safe)])).await;
    }
    let between = |from: i64, to: i64| {
        number(
            &kept.file(),
            &format!("SELECT count(*) FROM pass WHERE at BETWEEN {} AND {}", end - from, end - to),
        )
    };
    assert_eq!(between(3_600, 0), 181, "every pass of the last hour");
    assert_eq!(between(86_400, 3_601), 23 * 60, "one a minute of the last day");
    assert_eq!(between(30 * 3_600, 86_401), 6, "one an hour before");
    for table in ["sample", "bounds"] {
        let orphans = format!("SELECT count(*) FROM {table} WHERE pass NOT IN (SELECT id FROM pass)");
        assert_eq!(number(&kept.file(), &orphans), 0, "{table}");
        assert_eq!(number(&kept.file(), &format!("SELECT count(*) FROM {table}")), 181 + 23 * 60 + 6);
    }
    // However much there is, an answer is bounded.
    let story = kept.story("orders").await;
    assert!(
        story.truncated && story.samples.len() <= 500 && story.samples.len() > 100,
        "{}",
        story.samples.len()
    );
    assert_eq!(story.samples.last().unwrap().at, story.oplogs.last().unwrap().at);
}

#[tokio::test]
async fn what_is_older_than_keep_goes_and_names_that_are_gone_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = kept_in(directory.path());
    config.keep = Duration::from_secs(2 * 3_600);
    let (mut kept, _) = Kept::open(config).await;
    for minute in 0..8 * 60 {
        let at = BEGIN + minute * 60;
        // Flaps, so that changes are made as well; the other one is deleted after ten minutes.
        let verdict = if minute % 2 == 0 { Verdict::Safe } else { Verdict::Lost };
        let mut connectors = vec![report("flaps", verdict)];
        connectors.extend((minute < 10).then(|| report("gone", Verdict::Lost)));
        kept.pass(&snapshot(at, connectors)).await;
    }
    let oldest = |table: &str| number(&kept.file(), &format!("SELECT min(at) FROM {table}"));
    let cutoff = BEGIN + (8 * 60 - 1) * 60 - 2 * 3_600;
    assert_eq!((oldest("pass"), oldest("verdict_change")), (cutoff, cutoff));
    assert_eq!(number(&kept.file(), "SELECT count(*) FROM connector"), 1);
    assert_eq!(kept.story("gone").await.verdict_changes, []);
}

#[tokio::test]
async fn the_file_never_grows_beyond_its_size_and_the_newest_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = kept_in(directory.path());
    config.max_size_bytes = 1 << 20;
    let (mut kept, _) = Kept::open(config).await;
    let mut largest = 0;
    for hour in 0..600 {
        let verdict = if hour % 2 == 0 { Verdict::Safe } else { Verdict::Lost };
        let connectors = (0..200).map(|i| report(&format!("connector-{i}"), verdict)).collect();
        kept.pass(&snapshot(BEGIN + hour * 3_600, connectors)).await;
        largest = largest.max(std::fs::metadata(kept.file()).unwrap().len());
    }
    assert!(largest <= 1 << 20, "{largest}");
    assert!(largest > 1 << 19, "the test fills it: {largest}");
    let passes = number(&kept.file(), "SELECT count(*) FROM pass");
    assert!((20..300).contains(&passes), "{passes}");
    assert_eq!(number(&kept.file(), "SELECT max(at) FROM pass"), BEGIN + 599 * 3_600);
    assert!(number(&kept.file(), "SELECT count(*) FROM verdict_change") <= 1_024);
}

#[tokio::test]
async fn a_lowered_limit_gives_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut kept, _) = Kept::open(kept_in(directory.path())).await;
    let many = |hour: i64| {
        let connectors = (0..500).map(|i| report(&format!("connector-{i}"), Verdict::Safe)).collect();
        snapshot(BEGIN + hour * 3_600, connectors)
    };
    for hour in 0..200 {
        kept.pass(&many(hour)).await;
    }
    let mut config = kept.close().await;
    let size = || std::fs::metadata(super::file_in(directory.path())).unwrap().len();
    assert!(size() > 2 << 20, "{}", size());
    config.max_size_bytes = 1 << 20;
    let (mut kept, _) = Kept::open(config).await;
    for hour in 200..260 {
        kept.pass(&many(hour)).await;
    }
    kept.close().await;
    assert!(size() <= 1 << 20, "{}", size());
}
