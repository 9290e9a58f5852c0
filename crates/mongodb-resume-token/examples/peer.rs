//! This crate behind the protocol of `cargo xtask bench-tokens`, which sets it beside other decoders.
//!
//! Reads orders from standard input, and answers each with one line: `corpus LEVEL TOKEN,TOKEN,…` with a digit a token,
//! 1 if it can be read; `round LEVEL MILLISECONDS` with how often the corpus was decoded, in how many nanoseconds, and
//! the sum of all seconds read. The level is `full` or `time`, or `whole`: full with type bits, for which a token may be
//! `DATA:TYPEBITS`, the latter in base64.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::io::BufRead as _;
use std::time::{Duration, Instant};

use mongodb_resume_token::{Error, Token, TokenDocument, cluster_time, decode};

/// The other decoders look at their clocks as seldom.
const PASSES: u32 = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tokens: Vec<String> = Vec::new();
    let mut documents: Vec<TokenDocument> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["corpus", "whole", corpus] => {
                documents = corpus.split(',').map(document).collect::<Result<_, _>>()?;
                let digit = |token: &TokenDocument| if whole(token).is_some() { '1' } else { '0' };
                println!("{}", documents.iter().map(digit).collect::<String>());
            }
            ["corpus", level, corpus] => {
                tokens = corpus.split(',').map(str::to_owned).collect();
                let seconds: fn(&str) -> Option<u64> = if level == "full" { full } else { time };
                let digit = |token: &String| if seconds(token).is_some() { '1' } else { '0' };
                println!("{}", tokens.iter().map(digit).collect::<String>());
            }
            ["round", "full", millis] => println!("{}", round(&tokens, millis.parse()?, |token| full(token))),
            ["round", "time", millis] => println!("{}", round(&tokens, millis.parse()?, |token| time(token))),
            ["round", "whole", millis] => println!("{}", round(&documents, millis.parse()?, whole)),
            _ => return Err(format!("not an order: {line}").into()),
        }
    }
    Ok(())
}

/// Everything there is to know of a token: each value of whatever depth stands decoded in memory, each number computed
/// (without type bits, which the other decoder does not know) and each text known to be UTF-8, when what was asked for is
/// taken from it.
fn full(token: &str) -> Option<u64> {
    seconds(&decode(token))
}

/// The same with type bits.
fn whole(token: &TokenDocument) -> Option<u64> {
    seconds(&token.decode())
}

/// The token is looked at where it was written: a decoder's caller has no need to move it.
fn seconds(decoded: &Result<Token, Error>) -> Option<u64> {
    let token = black_box(decoded).as_ref().ok()?;
    token.cluster_time.map(|time| u64::from(time.t))
}

fn document(text: &str) -> Result<TokenDocument, Error> {
    match text.split_once(':') {
        None => Ok(TokenDocument::from_hex(text)),
        Some((data, bits)) => TokenDocument::from_json(&format!(
            r#"{{"_data": "{data}", "_typeBits": {{"$binary": {{"base64": "{bits}", "subType": "00"}}}}}}"#
        )),
    }
}

fn time(token: &str) -> Option<u64> {
    cluster_time(token).ok().map(|time| u64::from(time.t))
}

fn round<T>(tokens: &[T], millis: u64, seconds: impl Fn(&T) -> Option<u64>) -> String {
    let (begun, limit) = (Instant::now(), Duration::from_millis(millis));
    let (mut passes, mut sum) = (0, 0_u64);
    loop {
        for _ in 0..PASSES {
            sum += tokens.iter().filter_map(|token| seconds(black_box(token))).sum::<u64>();
        }
        passes += PASSES;
        let taken = begun.elapsed();
        if taken >= limit {
            return format!("{passes} {} {sum}", taken.as_nanos());
        }
    }
}
