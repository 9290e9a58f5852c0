//! The reference pages of the book, drawn from the code: they are what they were when the code was last changed, or the
//! test fails. `cargo xtask reference` writes them.

mod api;
mod commands;
mod configuration;
mod metrics;
mod words;

use crate::promql::root;

/// What stands above every page that is drawn from the code.
const DRAWN: &str = "<!-- Drawn from the code by `cargo xtask reference`: change it there. -->\n\n";

/// Holds a page against what would be drawn now, or writes it.
#[track_caller]
fn same_as_page(name: &str, text: &str) {
    let path = root().join("docs/reference").join(name);
    let text = format!("{DRAWN}{}\n", text.trim_end());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "{} differs; run `cargo xtask reference`. Now:\n{text}", path.display());
}

/// A row of a table. What is between the bars of the cells stays in its cell.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.replace('\n', " ").replace('|', "\\|").trim().to_owned()).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a table.
fn head(cells: &[&str]) -> String {
    format!("{}|{}\n", row(cells), "---|".repeat(cells.len()))
}

/// As code, unless it is empty.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// Paragraphs of a text in which a line that is broken goes on, and one that begins with a space is kept as it is.
fn paragraph(lines: &[String]) -> String {
    lines.join(" ").trim().to_owned()
}
