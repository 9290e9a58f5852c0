//! What a stored position says: `cargo run --example look --features json -- TOKEN…`.
//!
//! Takes tokens in whatever form they are stored: digits, `{"_data": …}`, a change event, an offset of Kafka Connect.

use mongodb_resume_token::{Event, Identifier, Partial, find_token};

fn main() {
    for text in std::env::args().skip(1) {
        match find_token(&text) {
            Ok(document) => tell(&document.decode_lenient()),
            Err(error) => println!("no token: {error}"),
        }
    }
}

fn tell(Partial { token, error, .. }: &Partial) {
    match token.cluster_time {
        Some(time) => println!("{} seconds after 1970, operation {} of that second", time.t, time.i),
        None => println!("no time, format {}", token.format),
    }
    let event = token.event();
    if event == Event::HighWaterMark {
        println!("  a point in time, no event: a stream goes on with what follows it");
    } else if event.ends_stream() {
        println!("  {event:?}: a stream over that collection ends here");
    } else {
        println!("  {event:?}");
    }
    if let Some(key) = token.identifier.as_ref().and_then(Identifier::document_key) {
        println!("  of the document {}", key.to_json());
    }
    if token.type_bits_missing {
        println!("  its type bits are missing: a server will hardly resume from it");
    }
    if let Some(error) = error {
        println!("  damaged: {error}");
    }
}
