//! `decode`: resume tokens in whatever form they are found.

use super::{Failure, Outcome};
use mongodb_resume_token::{Error, Token, find_token};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::RangeInclusive;

/// A token document is at most 16 MB of BSON, twice that in digits; a longer line is no token.
const LONGEST_LINE: u64 = 64 << 20;

/// Decodes the arguments, or standard input line by line. A bad line does not keep the rest from being decoded.
pub(super) fn run(tokens: &[String], json: bool) -> Result<Outcome, Failure> {
    let mut printer =
        Printer { out: BufWriter::new(std::io::stdout().lock()), json, header_is_due: !json, bad: false };
    let written = if tokens.is_empty() {
        printer.lines(&mut BufReader::new(std::io::stdin().lock()))
    } else {
        tokens.iter().try_for_each(|token| printer.print(token))
    };
    match written.and_then(|()| printer.out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(Outcome::Unreachable, error)),
        _ => Ok(if printer.bad { Outcome::Negative } else { Outcome::Done }),
    }
}

struct Printer<W: Write> {
    out: BufWriter<W>,
    json: bool,
    header_is_due: bool,
    bad: bool,
}

impl<W: Write> Printer<W> {
    fn lines(&mut self, input: &mut impl BufRead) -> std::io::Result<()> {
        let mut line = Vec::new();
        while input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                self.print(text.trim())?;
            }
            line.clear();
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> std::io::Result<()> {
        let decoded = find_token(text).and_then(|document| document.decode());
        self.bad |= decoded.is_err();
        match (decoded, self.json) {
            (Ok(token), true) => writeln!(self.out, "{}", token.to_json()),
            (Err(error), true) => writeln!(self.out, "{}", serde_json::json!({ "error": error.to_string() })),
            (decoded, false) => self.row(decoded),
        }
    }

    /// One line a token, printed at once: there may be a million.
    fn row(&mut self, decoded: Result<Token, Error>) -> std::io::Result<()> {
        if std::mem::take(&mut self.header_is_due) {
            let [time, position, format, event] = ["TIME", "POSITION", "FORMAT", "TOKEN"];
            writeln!(
                self.out,
                "{time:<21} {position:<17} {format:<10} {event:<16} COLLECTION AND IDENTIFIER"
            )?;
        }
        let token = match decoded {
            Ok(token) => token,
            Err(error) => return writeln!(self.out, "error: {}", seen(&error.to_string())),
        };
        let time = token.cluster_time.map(|time| crate::publish::time(i64::from(time.t)));
        let position = token.cluster_time.map(|time| time.to_string());
        let (time, position) = (time.as_deref().unwrap_or("-"), position.as_deref().unwrap_or("-"));
        let kind = token.token_type.map_or("-", |kind| kind.name());
        let kind = if token.from_invalidate == Some(true) { "invalidate" } else { kind };
        let uuid = token.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
        let identifier =
            token.identifier.as_ref().map(|identifier| identifier.document().to_json()).unwrap_or_default();
        let (format, identifier, others) = (token.format.name(), seen(&identifier), others(&token));
        let line = format!("{time:<21} {position:<17} {format:<10} {kind:<16} {uuid} {identifier} {others}");
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// What few tokens have, under the names that it has in the JSON.
fn others(token: &Token) -> String {
    let ordinal = token.txn_op_index.filter(|index| *index > 0).map(|index| format!("txnOpIndex={index}"));
    let fragment = token.fragment_num.map(|number| format!("fragmentNum={number}"));
    let missing = token.type_bits_missing.then(|| "typeBitsMissing".to_owned());
    [ordinal, fragment, missing].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Text that comes from anywhere, for a terminal: what would steer it, or turn the order of what is seen, as JSON's escape.
/// In JSON such characters stand in strings only.
fn seen(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || HIDDEN.iter().any(|hidden| hidden.contains(&c)) {
            seen.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            seen.push(c);
        }
    }
    seen
}

/// Characters of no width that order what stands around them, or hide: Unicode's marks, isolates and separators.
const HIDDEN: [RangeInclusive<char>; 5] = [
    '\u{061C}'..='\u{061C}',
    '\u{200B}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{FEFF}'..='\u{FEFF}',
];
