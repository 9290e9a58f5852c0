//! Decodes the corpus of sound tokens again and again: a subject for instruction counts and profilers.
//!
//! ```text
//! cargo build --release --example decode_corpus --features json
//! valgrind --tool=callgrind target/release/examples/decode_corpus full 100
//! ```
//!
//! What `full` and `time` take beyond `none`, divided by the number of tokens, is what one token takes. `look` is what it
//! takes to find values in a token that is decoded.

use std::hint::black_box;

use mongodb_resume_token::{Identifier, Token, TokenDocument};

const ROWS: &str = include_str!("../tests/data/resume-tokens.jsonl");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let level = arguments.next().unwrap_or_else(|| "full".to_owned());
    let rounds: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let decode: fn(&Subject) -> bool = match level.as_str() {
        "none" => |_| true,
        "time" => |(token, _)| token.cluster_time().is_ok(),
        "full" => |(token, _)| token.decode().is_ok(),
        "look" => |(_, decoded)| look(decoded),
        other => return Err(format!("{other}: none, time, full or look").into()),
    };
    let tokens = corpus()?;
    let mut sound = 0;
    for _ in 0..rounds {
        sound += tokens.iter().filter(|token| black_box(decode(black_box(token)))).count();
    }
    println!("{level}: {sound} of {} tokens", rounds * tokens.len());
    Ok(())
}

/// A token, and what it says.
type Subject = (TokenDocument, Token);

/// Steps over all fields, and finds one of them.
fn look(token: &Token) -> bool {
    let Some(document) = token.identifier.as_ref().map(Identifier::document) else { return true };
    let last = document.iter().nth(document.len().saturating_sub(1));
    black_box(last).is_some() | black_box(document.get("no such field")).is_none()
}

/// The tokens that decode.
fn corpus() -> Result<Vec<Subject>, Box<dyn std::error::Error>> {
    let mut tokens = Vec::new();
    for row in ROWS.lines() {
        let row: serde_json::Value = serde_json::from_str(row)?;
        let token = TokenDocument::from_json(&row["token"].to_string())?;
        if let Ok(decoded) = token.decode() {
            tokens.push((token, decoded));
        }
    }
    Ok(tokens)
}
