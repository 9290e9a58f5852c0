//! Commands of the documentation, run as a reader would run them: one shell for a page, on an empty home, with nothing of ours
//! on the path but the program; what it prints is held against what the page shows.
//!
//! ` ```console ` is run by `cargo test`, ` ```console,stack ` on the real stack, ` ```console,elsewhere ` not here. A line
//! that begins with `$ ` is a command, what follows is its output; `…` stands for anything in a line, and alone on one for any
//! lines. ` ```toml,file=NAME ` is written to that file. `<!-- meanwhile: WORDS -->` is something that the test does.

use crate::leaks::Leaks;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Nothing that a page shows takes longer, even beside other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// What stands on a page, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A file that the reader writes.
    File(String, String),
    /// A command and what is shown of its output; nothing shown is nothing held.
    Command(String, Vec<String>),
    /// What happens meanwhile.
    Meanwhile(String),
}

/// A block of code: its language, its other words, its lines, and the number of its first line.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) words: Vec<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) at: usize,
}

impl Block {
    pub(crate) fn is(&self, language: &str, word: Option<&str>) -> bool {
        self.language == language
            && word.map_or(self.words.is_empty(), |word| self.words.iter().any(|own| own == word))
    }

    fn file(&self) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix("file="))
    }
}

/// Every block of a page, and every `<!-- meanwhile: … -->` as one of the language `meanwhile`.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut open) = (Vec::new(), None::<Block>);
    for (number, line) in page.lines().enumerate() {
        // An item of a list may begin with one.
        let fence =
            line.trim_start_matches(|c: char| c.is_ascii_digit() || ". ".contains(c)).strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let mut words = info.split([',', ' ']).map(str::to_owned);
                let language = words.next().unwrap_or_default();
                open = Some(Block { language, words: words.collect(), lines: Vec::new(), at: number + 1 });
            }
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => block.lines.push(line.to_owned()),
            (None, None) => {
                let words = line.strip_prefix("<!-- meanwhile: ").and_then(|rest| rest.strip_suffix(" -->"));
                found.extend(words.map(|words| Block {
                    language: "meanwhile".to_owned(),
                    words: vec![],
                    lines: vec![words.to_owned()],
                    at: number + 1,
                }));
            }
        }
    }
    assert!(open.is_none(), "a block does not end: {open:?}");
    found
}

/// What of a page is run, with this word beside `console` or without any.
pub(crate) fn parts(page: &str, word: Option<&str>) -> Vec<Part> {
    let mut found = Vec::new();
    for block in blocks(page) {
        if block.language == "meanwhile" {
            found.push(Part::Meanwhile(block.lines[0].clone()));
        } else if let Some(file) = block.file() {
            found.push(Part::File(file.to_owned(), block.lines.join("\n") + "\n"));
        } else if block.is("console", word) {
            for line in &block.lines {
                match (line.strip_prefix("$ "), found.last_mut()) {
                    (Some(command), _) => found.push(Part::Command(command.to_owned(), Vec::new())),
                    (None, Some(Part::Command(_, shown))) => shown.push(line.clone()),
                    (None, _) => panic!("line {}: output before any command", block.at),
                }
            }
        }
    }
    found
}

/// Is this what is shown?
pub(crate) fn matches(shown: &[String], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=said.len()).any(|skipped| matches(rest, &said[skipped..]))
        }
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, others)| same_line(first, line) && matches(rest, others))
        }
    }
}

/// Runs of spaces count as one: columns are as wide as what stands in them.
fn same_line(shown: &str, said: &str) -> bool {
    let narrow = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, said) = (narrow(shown), narrow(said));
    let mut pieces = shown.split('…');
    let Some(mut rest) = said.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some((_, behind)) = rest.split_once(piece.trim()) else { return false };
        rest = behind;
    }
    rest.ends_with(last.trim_start())
}

/// A shell with an empty home.
pub(crate) struct Shell {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    home: tempfile::TempDir,
    /// What the page says, and what is meant here: ports and addresses.
    instead: Vec<(String, String)>,
    leaks: Leaks,
    count: u32,
}

const MARK: &str = "-- prompt";

impl Shell {
    /// `instead`: what the page says, and what is put in its place.
    pub(crate) fn start(instead: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join(".bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_resumeguard"), bin.join("resumeguard")).unwrap();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-o", "pipefail"]).current_dir(home.path());
        command.env_clear().env("HOME", home.path()).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.env("LANG", "C.UTF-8").envs(environment.iter().copied());
        // A group of its own: whatever a page leaves running ends with it.
        let piped = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::null()).spawn().unwrap();
        let (said, output) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(said.send(line))));
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "exec 2>&1").unwrap();
        let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        let instead = instead.iter().map(owned).collect();
        Self { child, input, output, home, instead, leaks: Leaks::default(), count: 0 }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    fn meant(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn as_on_the_page(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (from, to)| text.replace(to, from))
    }

    /// Does what one part of the page says.
    #[track_caller]
    pub(crate) fn take(&mut self, part: &Part) {
        match part {
            Part::File(name, text) => {
                let text = self.meant(text);
                self.leaks = std::mem::take(&mut self.leaks).and(Leaks::of_config(&text));
                std::fs::write(self.home().join(name), text).unwrap();
            }
            Part::Command(command, shown) => {
                let (status, said) = self.run(command);
                println!("$ {command}\n{said}");
                assert_eq!(status, 0, "$ {command}\n{said}");
                let lines: Vec<&str> = said.lines().collect();
                assert!(
                    shown.is_empty() || matches(shown, &lines),
                    "$ {command}\nThe page shows\n{}\nand it says\n{said}",
                    shown.join("\n")
                );
            }
            Part::Meanwhile(words) => panic!("nobody knows how to bring about {words:?}"),
        }
    }

    /// The exit status of a command and what it said, in the words of the page.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> (i32, String) {
        self.count += 1;
        let mark = format!("{MARK} {} ", self.count);
        writeln!(self.input, "{}\nprintf '\\n{mark}%s\\n' \"$?\"", self.meant(command)).unwrap();
        let mut said: Vec<String> = Vec::new();
        let status = loop {
            let line = self.output.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|error| panic!("$ {command}\n{}\n{error}", said.join("\n")));
            match line.strip_prefix(&mark) {
                Some(status) => break status.parse().unwrap(),
                None => said.push(line),
            }
        };
        // The mark begins a line of its own, which is empty where the output ended with one.
        if said.last().is_some_and(String::is_empty) {
            said.pop();
        }
        let said = said.join("\n");
        self.leaks.none_in(command, &said);
        (status, self.as_on_the_page(&said))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        // An error means that nobody is left.
        let _ended = rustix::process::kill_process_group(group, rustix::process::Signal::TERM).is_ok();
        let _ended = self.child.wait().is_ok();
    }
}
