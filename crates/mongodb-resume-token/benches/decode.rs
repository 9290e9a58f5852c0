//! Nanoseconds a token, by how much of it is read; the best of several rounds, for the machine may be busy.
//!
//! `cargo bench -p mongodb-resume-token --features json`
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::expect_used, reason = "a broken corpus ends the benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mongodb_resume_token::{TokenData, TokenDocument, cluster_time, decode_header};

const ROWS: &str = include_str!("../tests/data/resume-tokens.jsonl");
const ROUNDS: usize = 20;
const PASSES: u32 = 500;

/// A typical token of v2: an insert with an ObjectId for a key.
const INSERT: &str = "826275077A000000012B042C0100296E5A1004BFFDB617400E486099007C0E0048B305463C6F7065726174696F6E54797065003C\
696E736572740046646F63756D656E744B65790046645F696400646275077A2F3159F971E405C6000004";

fn main() {
    let corpus: Vec<TokenDocument> = ROWS.lines().filter_map(sound).collect();
    let hex: Vec<&str> = corpus
        .iter()
        .filter_map(|token| {
            let TokenData::Hex(text) = &token.data else { return None };
            cluster_time(text).is_ok().then_some(text.as_str())
        })
        .collect();
    let insert = TokenDocument::from_hex(INSERT);

    report("time only, corpus", &hex, |text| cluster_time(text).is_ok());
    report("header, corpus", &hex, |text| decode_header(text).is_ok());
    report("full, corpus", &corpus, |token| token.decode().is_ok());
    report("full, an insert", &[insert], |token| token.decode().is_ok());
    report("full and JSON, corpus", &corpus, |token| token.decode().map(|token| token.to_json()).is_ok());
}

fn sound(row: &str) -> Option<TokenDocument> {
    let row: serde_json::Value = serde_json::from_str(row).expect("the corpus is JSON");
    let token = TokenDocument::from_json(&row["token"].to_string()).expect("its tokens are documents");
    token.decode().is_ok().then_some(token)
}

fn report<T>(name: &str, subjects: &[T], work: impl Fn(&T) -> bool) {
    let round = || {
        let start = Instant::now();
        for _ in 0..PASSES {
            for subject in subjects {
                black_box(work(black_box(subject)));
            }
        }
        start.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or(Duration::ZERO);
    let tokens = f64::from(PASSES) * f64::from(u32::try_from(subjects.len()).unwrap_or(u32::MAX));
    println!("{name:<24} {:>9.1} ns a token", best.as_secs_f64() * 1e9 / tokens);
}
