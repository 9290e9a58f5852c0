//! The fleet in a terminal: the same picture as the page's, in text. What is wrong and how long is left, each oplog as a band,
//! then a table, worst first.

use super::headline::{VERDICTS, clauses, left, number};
use super::status::{Connector, Oplog, Status};
use super::table::{known, plan_state, sentence, state};
use super::words::{duration, percent};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write as _;

/// Where it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Columns; `None` where nobody looks at it but a program: nothing is wrapped or left out then.
    pub columns: Option<usize>,
    /// Whether it has colours.
    pub color: bool,
}

/// Narrower than this, the table has only what one needs at once.
const WIDE: usize = 120;
/// Bands are drawn no wider.
const WIDEST: usize = 100;
/// Bands that are drawn; a page has room for more.
const BANDS: usize = 4;
/// Columns of a band that stand for what has been deleted.
const GONE: usize = 10;

impl Terminal {
    /// In a verdict's colour.
    fn toned(self, verdict: &str, text: &str) -> String {
        let code = match verdict {
            "lost" => "1;31",
            "critical" => "31",
            "at_risk" => "33",
            "unknown" => "35",
            "safe" => "32",
            "dim" => "2",
            _ => return text.to_owned(),
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The whole fleet.
#[must_use]
pub fn fleet(status: &Status, terminal: Terminal) -> String {
    let says = clauses(status);
    let says = says.iter().map(|clause| terminal.toned(clause.verdict, &clause.says) + &clause.rest);
    let mut out = says.collect::<Vec<_>>().join("; ") + ".\n";
    if !status.connectors.is_empty() {
        let counts = VERDICTS.map(|verdict| (number(status, verdict), verdict.replace('_', " ")));
        let counts: Vec<String> = counts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        let all = status.connectors.len();
        let _infallible =
            writeln!(out, "{all} connector{}: {}", if all == 1 { "" } else { "s" }, counts.join(", "));
        if let Some(columns) = terminal.columns {
            out.push_str(&bands(status, terminal, columns));
        }
        out.push('\n');
        out.push_str(&table(status, terminal));
    }
    out.push_str(&advice(status, terminal));
    out.push_str(&plans(status));
    out.push_str(&unknowns(status));
    out
}

fn table(status: &Status, terminal: Terminal) -> String {
    let wide = terminal.columns.is_none_or(|columns| columns >= WIDE);
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if let Some(columns) = terminal.columns {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    }
    let (header, right): (&[&str], &[usize]) = if wide {
        (
            &[
                "VERDICT",
                "CONNECTOR",
                "STATE",
                "HEADROOM",
                "OF WINDOW",
                "LOST IN",
                "BUDGET",
                "LAG",
                "ON RESTART",
                "FINDINGS",
            ],
            &[3, 4, 5, 6, 7],
        )
    } else {
        (&["VERDICT", "CONNECTOR", "STATE", "HEADROOM", "LOST IN", "FINDINGS"], &[3, 4])
    };
    table.set_header(header);
    for connector in &status.connectors {
        table.add_row(row(connector, wide, terminal.columns.is_some()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.trim_fmt();
    // The first word of a row is its verdict; what a row goes on with begins with spaces.
    let toned = lines.lines().map(|line| {
        let word = VERDICTS.iter().find(|word| line.starts_with(**word)).copied().unwrap_or_default();
        match line.split_once(' ') {
            Some((first, rest)) if !word.is_empty() => format!("{} {rest}", terminal.toned(word, first)),
            _ => line.to_owned(),
        }
    });
    toned.collect::<Vec<_>>().join("\n") + "\n"
}

fn row(connector: &Connector, wide: bool, bars: bool) -> Vec<String> {
    let findings: Vec<&str> = connector.findings.iter().map(|finding| finding.rule.as_str()).collect();
    // In a terminal the reason stands with the findings, where it can be wrapped.
    let (verdict, reason) = match &connector.why {
        Some(why) if bars => (connector.verdict.clone(), Some(why.replace('_', " "))),
        Some(why) => (format!("unknown ({why})"), None),
        None => (connector.verdict.clone(), None),
    };
    let findings: Vec<&str> = reason.as_deref().into_iter().chain(findings).collect();
    let share = connector.headroom_ratio.filter(|ratio| *ratio >= 0.0);
    let bar = share.filter(|_| bars).map(|share| format!("{} ", bar(share))).unwrap_or_default();
    let mut cells = vec![
        verdict,
        printable(&format!("{}/{}", connector.connect_cluster, connector.connector)),
        state(connector),
        known(connector.headroom_seconds.map(duration)),
    ];
    if wide {
        cells.push(known(share.map(|share| bar + &percent(share))));
    }
    cells.push(lost_in(connector));
    if wide {
        cells.push(known(connector.outage_budget_seconds.map(duration)));
        cells.push(known(connector.lag_seconds.map(duration)));
        cells.push(connector.on_restart.clone());
    }
    cells.push(known((!findings.is_empty()).then(|| findings.join(" "))));
    cells
}

/// A name as it can be shown: what steers terminals, or turns their lines around, is left out.
fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same of a whole text, with its lines and the colours that stand in it by [`fleet`].
#[must_use]
pub fn harmless(text: &str) -> String {
    const COLOURS: [&str; 7] = ["1;31m", "31m", "33m", "35m", "32m", "2m", "0m"];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let ours = rest.strip_prefix("\u{1b}[").and_then(|sequence| {
            let code = COLOURS.iter().find(|code| sequence.starts_with(**code))?;
            Some("\u{1b}[".len() + code.len())
        });
        let length = ours.unwrap_or(c.len_utf8());
        let (these, others) = rest.split_at(length);
        if ours.is_some() || c == '\n' || c == '\t' || !steers(c) {
            out.push_str(these);
        } else {
            out.push('\u{fffd}');
        }
        rest = others;
    }
    out
}

fn lost_in(connector: &Connector) -> String {
    match (connector.verdict.as_str(), connector.seconds_until_lost) {
        ("lost", _) => "lost".to_owned(),
        (_, Some(range)) => match range.high {
            Some(high) if high == range.low => duration(range.low),
            Some(high) => format!("{}..{}", duration(range.low), duration(high)),
            None => format!("{} or never", duration(range.low)),
        },
        (_, None) => "-".to_owned(),
    }
}

/// Eight blocks, as many of them full as is left.
fn bar(share: f64) -> String {
    let full = (0..8).filter(|block| share * 8.0 > f64::from(*block) + 0.5).count();
    format!("{}{}", "█".repeat(full), "░".repeat(8 - full))
}

/// Each deployment's oplog, those with the worst connectors first.
fn bands(status: &Status, terminal: Terminal, columns: usize) -> String {
    let mut names: Vec<&str> = Vec::new();
    let in_order = status.connectors.iter().filter_map(|one| one.deployment.as_deref());
    for name in in_order {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let drawn =
        names.iter().take(BANDS).filter_map(|name| band(name, status, terminal, columns.clamp(40, WIDEST)));
    let mut out: String = drawn.collect();
    if names.len() > BANDS {
        let _infallible = writeln!(out, "\n{} more deployments", names.len() - BANDS);
    }
    out
}

fn band(name: &str, status: &Status, terminal: Terminal, columns: usize) -> Option<String> {
    let oplogs = status.oplogs.iter().filter(|oplog| oplog.deployment == name);
    let known = oplogs.filter_map(|oplog| Some((oplog, oplog.window_seconds?)));
    let (oplog, window) = known.min_by_key(|(oplog, window)| (oplog.role != "primary", *window))?;
    let width = columns.saturating_sub(2).saturating_sub(GONE + 1);
    let mut cells: Vec<(char, &str)> = Vec::new();
    cells.extend(std::iter::repeat_n(('░', "dim"), GONE));
    cells.push(('│', ""));
    cells.extend(std::iter::repeat_n(('━', "dim"), width));
    // The worst last: it stands over the others.
    let of_it = status.connectors.iter().rev().filter(|one| one.deployment.as_deref() == Some(name));
    for one in of_it {
        let Some(headroom) = one.headroom_seconds else { continue };
        if let Some(cell) = cells.get_mut(place(headroom, window, width)) {
            *cell = (sign(&one.verdict), &one.verdict);
        }
    }
    let alike = |a: &(char, &str), b: &(char, &str)| a.1 == b.1;
    let run = |run: &[(char, &str)]| {
        let tone = run.first().map_or("", |(_, tone)| *tone);
        terminal.toned(tone, &run.iter().map(|(sign, _)| *sign).collect::<String>())
    };
    let drawn: String = cells.chunk_by(alike).map(run).collect();
    let (first, last) = (moment(oplog.first), moment(oplog.last));
    let space =
        (GONE + 1 + width).saturating_sub(first.chars().count() + last.chars().count() + GONE + 1 + 7);
    let legend = format!("deleted{}{first}{}{last}", " ".repeat(GONE + 1 - 7), " ".repeat(space + 7));
    Some(format!("\n{}\n  {drawn}\n  {}\n", summary(oplog, window), terminal.toned("dim", &legend)))
}

fn summary(oplog: &Oplog, window: i64) -> String {
    let edge = oplog.erosion_ratio.filter(|_| oplog.never_truncated != Some(true));
    let edge = edge.map(|ratio| format!(", its edge moves {ratio:.1} s a second")).unwrap_or_default();
    format!("{} ({} {}): window {}{edge}", oplog.deployment, oplog.role, oplog.member, duration(window))
}

fn moment(time: Option<super::status::Time>) -> String {
    known(time.map(|time| super::words::time(i64::from(time.t))))
}

fn place(headroom: i64, window: i64, width: usize) -> usize {
    let share = |of: i64, width: usize| {
        let width = i128::try_from(width).unwrap_or(0);
        usize::try_from(i128::from(of.max(0)) * width / i128::from(window.max(1))).unwrap_or(usize::MAX)
    };
    if headroom < 0 {
        (GONE - 1).saturating_sub(share(headroom.saturating_neg(), GONE))
    } else {
        GONE + 1 + share(headroom, width).min(width.saturating_sub(1))
    }
}

/// As on the page.
fn sign(verdict: &str) -> char {
    match verdict {
        "safe" => '✓',
        "at_risk" => '◆',
        "critical" => '▲',
        "lost" => '✕',
        _ => '?',
    }
}

/// What to do about the worst, in a terminal; a program reads the findings.
fn advice(status: &Status, terminal: Terminal) -> String {
    let Some(_people) = terminal.columns else { return String::new() };
    let mut out = String::new();
    let ill = status.connectors.iter().filter(|one| matches!(one.verdict.as_str(), "lost" | "critical"));
    for one in ill.take(3) {
        for finding in one.findings.iter().filter(|finding| finding.muted.is_none()).take(1) {
            let name = printable(&format!("{}/{}", one.connect_cluster, one.connector));
            let left = left(one).map(|left| format!(" ({} left)", duration(left))).unwrap_or_default();
            let _infallible = writeln!(
                out,
                "\n{}{left}: {} {}\n  {}",
                terminal.toned(&one.verdict, &name),
                finding.rule,
                finding.summary,
                finding.advice
            );
        }
    }
    out
}

fn plans(status: &Status) -> String {
    let mut out = String::new();
    for connector in &status.connectors {
        if let Some(plan) = &connector.plan {
            let name = printable(&format!("{}/{}", connector.connect_cluster, connector.connector));
            let _infallible =
                write!(out, "\nplan {}: {} for {name}, {}", plan.id, plan.strategy, plan_state(plan));
        }
    }
    if !out.is_empty() {
        out.push_str("\n(resumeguard recovery plan says what each does and loses)\n");
    }
    out
}

/// Why something is not known, and what cannot be read.
fn unknowns(status: &Status) -> String {
    let mut out = String::new();
    let mut whys: Vec<&str> = status.connectors.iter().filter_map(|c| c.why.as_deref()).collect();
    whys.sort_unstable();
    whys.dedup();
    for why in whys {
        let _infallible = writeln!(out, "\nunknown, {why}: {}", sentence(why));
    }
    for source in &status.sources {
        let _infallible = match (source.up, source.error.as_deref()) {
            (true, None) => Ok(()),
            (true, Some(lacking)) => {
                writeln!(out, "\n{} {} is read in part: {lacking}", source.source, source.name)
            }
            (false, error) => {
                let error = error.unwrap_or("not read yet");
                writeln!(out, "\n{} {} cannot be read: {error}", source.source, source.name)
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_within_the_band() {
        let width = 67;
        assert_eq!(place(0, 100, width), GONE + 1);
        assert_eq!(place(100, 100, width), GONE + width);
        assert_eq!(place(i64::MAX, 1, width), GONE + width);
        assert_eq!(place(-1, 100, width), GONE - 1);
        assert_eq!(place(i64::MIN, 100, width), 0);
        assert_eq!((bar(0.0), bar(0.5), bar(2.0)), ("░░░░░░░░".into(), "████░░░░".into(), "████████".into()));
    }

    #[test]
    fn nothing_that_somebody_else_wrote_steers_a_terminal() {
        let hostile = "orders\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[8m\r\u{202e}x\n";
        assert_eq!(
            harmless(hostile),
            "orders\u{fffd}]0;owned\u{fffd}\u{fffd}[2J\u{fffd}[8m\u{fffd}\u{fffd}x\n"
        );
        let lost = Terminal { columns: None, color: true }.toned("lost", "lost");
        assert_eq!(harmless(&lost), lost, "our own colours stay");
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\n🛒"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}🛒");
    }
}
