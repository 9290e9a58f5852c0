//! What a person reads in the end.

use serde::Serialize;

/// One detection, or the lack of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) row: &'static str,
    pub(super) fault: String,
    pub(super) expected: String,
    pub(super) seen: String,
    /// From the fault to the first status that shows it.
    pub(super) seconds: Option<f64>,
    /// Passes that began after the fault.
    pub(super) passes: Option<u64>,
    pub(super) limit_passes: u64,
    pub(super) ok: bool,
}

const TITLES: [&str; 8] = ["ROW", "FAULT", "EXPECTED", "SEEN", "SECONDS", "PASSES", "LIMIT", "OK"];

impl Line {
    fn cells(&self) -> [String; 8] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            self.row.to_owned(),
            self.fault.clone(),
            self.expected.clone(),
            self.seen.clone(),
            or_dash(self.seconds.map(|seconds| format!("{seconds:.1}"))),
            or_dash(self.passes.map(|passes| passes.to_string())),
            self.limit_passes.to_string(),
            if self.ok { "yes" } else { "NO" }.to_owned(),
        ]
    }
}

/// Columns as wide as what stands in them.
pub(super) fn text(lines: &[Line]) -> String {
    let rows: Vec<[String; 8]> =
        [TITLES.map(str::to_owned)].into_iter().chain(lines.iter().map(Line::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let line = Line {
            row: "idle",
            fault: "rolled".to_owned(),
            expected: "lost RG001".to_owned(),
            seen: "lost fails RG001".to_owned(),
            seconds: Some(2.34),
            passes: Some(2),
            limit_passes: 4,
            ok: true,
        };
        let late = Line { row: "x", seconds: None, passes: None, ok: false, ..line.clone() };
        assert_eq!(
            text(&[line, late]),
            "ROW   FAULT   EXPECTED    SEEN              SECONDS  PASSES  LIMIT  OK\n\
             idle  rolled  lost RG001  lost fails RG001  2.3      2       4      yes\n\
             x     rolled  lost RG001  lost fails RG001  -        -       4      NO\n"
        );
    }
}
