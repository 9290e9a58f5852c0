//! What can be broken, by cargo-mutants' list: `--list --json` names each change and where it stands.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

/// One change to the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// Position in the list, from 1. A function's own are numbered without a gap.
    pub(super) id: u32,
    /// From the root of the workspace.
    pub(super) file: String,
    /// Line and column.
    pub(super) place: String,
    /// As `replace > with >= in Look<'_>::jump`.
    pub(super) change: String,
    /// What goes, and what comes instead.
    span: Span,
    pub(super) replacement: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.place, self.change)
    }
}

/// Of a file's text; the end is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Span {
    start: Point,
    end: Point,
}

/// Both from 1; columns are characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
struct Point {
    line: usize,
    column: usize,
}

impl Point {
    /// In bytes.
    fn offset(self, text: &str) -> Option<usize> {
        let before: usize = text.split_inclusive('\n').take(self.line.checked_sub(1)?).map(str::len).sum();
        let rest = text.get(before..)?;
        let column = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(self.column - 1)?;
        Some(before + column)
    }
}

impl Mutant {
    /// Where the text of its file changes, in bytes.
    pub(super) fn range(&self, text: &str) -> Result<Range<usize>> {
        let range = self.span.start.offset(text).zip(self.span.end.offset(text));
        let (start, end) = range.with_context(|| format!("{self} is not in the file"))?;
        ensure!(start <= end, "{self} ends before it begins");
        Ok(start..end)
    }

    /// The text of its file with the change.
    pub(super) fn applied(&self, text: &str) -> Result<String> {
        let Range { start, end } = self.range(text)?;
        Ok([&text[..start], &self.replacement, &text[end..]].concat())
    }
}

/// Asks cargo-mutants, for all files of a package or some.
pub(super) async fn list(tool: &Path, root: &Path, package: &str, files: &[String]) -> Result<Vec<Mutant>> {
    let mut command = Command::new(tool);
    command.args(["mutants", "--list", "--json", "--package", package]);
    command.args(files.iter().flat_map(|file| ["--file", file]));
    command.current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot run cargo-mutants")?;
    ensure!(output.status.success(), "cargo-mutants: {}", String::from_utf8_lossy(&output.stderr));
    parse(&String::from_utf8(output.stdout)?)
}

/// One of the list.
#[derive(Debug, Deserialize)]
struct Listed {
    file: String,
    name: String,
    replacement: String,
    span: Span,
}

pub(super) fn parse(json: &str) -> Result<Vec<Mutant>> {
    let mut listed: Vec<Listed> = serde_json::from_str(json).context("not what cargo-mutants 27.1 lists")?;
    // Those of a function must follow each other, whatever the order in which they were found.
    listed.sort_by(|a, b| (&a.file, order(a.span), &a.name).cmp(&(&b.file, order(b.span), &b.name)));
    let mutant = |(index, listed): (usize, Listed)| {
        let (place, change) = parse_name(&listed.name).with_context(|| listed.name.clone())?;
        let id = u32::try_from(index + 1)?;
        let Listed { file, replacement, span, .. } = listed;
        Ok(Mutant { id, file, place, change, span, replacement })
    };
    listed.into_iter().enumerate().map(mutant).collect()
}

fn order(span: Span) -> [usize; 4] {
    [span.start.line, span.start.column, span.end.line, span.end.column]
}

/// `src/a.rs:12:3: replace + with -`
fn parse_name(name: &str) -> Option<(String, String)> {
    let (place, change) = name.split_once(": ")?;
    let (_, place) = place.split_once(':')?;
    Some((place.to_owned(), change.to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One by its name alone.
    pub(in super::super) fn mutant(name: &str) -> Mutant {
        let (place, change) = parse_name(name).unwrap();
        let file = name.split(':').next().unwrap().to_owned();
        Mutant { id: 1, file, place, change, span: Span::default(), replacement: String::new() }
    }

    #[test]
    fn columns_are_characters_and_the_order_is_that_of_the_text() {
        let listed = |name: &str, column: usize| {
            let span = serde_json::json!({ "start": { "line": 2, "column": column }, "end": { "line": 2, "column": column + 1 } });
            serde_json::json!({ "file": "src/a.rs", "name": name, "replacement": "-", "span": span })
        };
        let json = serde_json::json!([
            listed("src/a.rs:2:9: replace * with - in A::b", 9),
            listed("src/a.rs:2:5: replace + with -", 5)
        ]);
        let mutants = parse(&json.to_string()).unwrap();
        assert_eq!(mutants[0].to_string(), "src/a.rs:2:5: replace + with -");
        assert_eq!((mutants[0].id, mutants[1].id, mutants[1].place.as_str()), (1, 2, "2:9"));
        let text = "// ü\n\"ü\" + 1 * 2\n";
        assert_eq!(mutants[0].applied(text).unwrap(), "// ü\n\"ü\" - 1 * 2\n");
        assert_eq!(mutants[1].applied(text).unwrap(), "// ü\n\"ü\" + 1 - 2\n");
        assert!(mutants[1].applied("\n").is_err());
    }
}
