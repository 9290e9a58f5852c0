//! The book: every page is in it, every link leads somewhere, every command is run or named here as one that is not, and
//! every piece of configuration is one that the program takes.

use crate::console::{Block, Part, Shell, blocks, parts};
use crate::promql::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Pages whose blocks `sh` have placeholders (`CONNECTOR`, `URI`, `PLAN`), or are of machines that a test has not. Elsewhere a
/// command is a `console` block, and is run. Of these, calls of `resumeguard` are held against its command line.
const TEMPLATES: [&str; 5] =
    ["findings/", "runbooks/", "permissions.md", "reference/commands.md", "../README.md"];

/// Pages with commands for machines that no test here has; each is run where that machine is made, or says that it is not.
const ELSEWHERE: [(&str, usize, &str); 4] = [
    ("guide/install.md", 2, "packages and containers: the package's own tests run them"),
    (
        "guide/sources.md",
        2,
        "rights on a topic: tests/real/kafka_security.rs grants the same over the protocol; the whole topic: tests/real/recovery/old_topic.rs",
    ),
    ("guide/alerts.md", 1, "a web server of the reader's own"),
    ("guide/upgrading.md", 1, "apt and systemd: the package's own tests run them"),
];

fn folder() -> PathBuf {
    root().join("docs")
}

fn read(page: &str) -> String {
    std::fs::read_to_string(folder().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Every Markdown file below `docs`, by its path there.
fn pages() -> Vec<String> {
    fn below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let name = format!("{prefix}{}", name.to_string_lossy());
            if path.is_dir() {
                below(&path, &format!("{name}/"), found);
            } else if name.ends_with(".md") {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    below(&folder(), "", &mut found);
    found.sort();
    assert!(found.len() > 50, "{found:?}");
    found
}

/// Where the text's links lead, those in code left out.
fn links(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut in_block = false;
    for line in text.lines() {
        let fence = line.contains("```");
        in_block ^= fence;
        if !in_block && !fence {
            // What stands between back-ticks is code.
            let pieces = line.split('`').step_by(2);
            plain.push_str(&pieces.collect::<Vec<_>>().join("·"));
            plain.push('\n');
        }
    }
    plain.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The anchors of a page, as mdBook makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '-' || c.is_whitespace();
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim();
        let words: String = words.chars().filter(kept).collect();
        words.to_lowercase().split(' ').collect::<Vec<_>>().join("-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_page_is_in_the_book() {
    let listed: BTreeSet<String> = links(&read("SUMMARY.md")).into_iter().collect();
    let there: BTreeSet<String> = pages().into_iter().filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(listed, there);
}

#[test]
fn every_link_leads_somewhere() {
    let mut looked_at = 0;
    for page in pages() {
        let text = read(&page);
        let here = folder().join(&page).parent().unwrap().to_owned();
        for link in links(&text).into_iter().filter(|link| !link.starts_with("https://")) {
            looked_at += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { folder().join(&page) } else { here.join(file) };
            assert!(target.is_file(), "{page} leads to {link}, which is not there");
            let inside = target.canonicalize().unwrap().starts_with(folder().canonicalize().unwrap());
            assert!(inside, "{page} leads to {link}, which is not in the book: name the file instead");
            if !anchor.is_empty() {
                let known = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(known.contains(anchor), "{page} leads to {link}; there are {known:?}");
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

/// Every block by its page; those of the README too.
fn all() -> Vec<(String, Block)> {
    let of = |page: String| blocks(&read(&page)).into_iter().map(move |block| (page.clone(), block));
    pages().into_iter().chain(["../README.md".to_owned()]).flat_map(of).collect()
}

/// No command escapes: each is run by `cargo test`, run on the real stack, or counted here.
#[test]
fn commands_that_are_not_run_are_known() {
    let mut elsewhere: BTreeMap<String, usize> = BTreeMap::new();
    for (page, block) in all() {
        let at = format!("{page}, line {}", block.at);
        let template = TEMPLATES.iter().any(|known| page.starts_with(known));
        match block.language.as_str() {
            "console" => {
                assert!(block.lines[0].starts_with("$ "), "{at}: begins with a command");
                let known = block.words.is_empty() || block.is("console", Some("stack"));
                if block.is("console", Some("elsewhere")) {
                    *elsewhere.entry(page).or_default() += 1;
                } else {
                    assert!(known, "{at}: {:?}", block.words);
                }
            }
            "" if page == "../README.md" => {}
            "sh" | "bash" | "shell" | "" => {
                assert!(template, "{at}: a command that nobody runs; make it a console block");
            }
            "js" => assert_eq!(page, "permissions.md"),
            // No nginx is started here.
            "nginx" => assert_eq!(page, "guide/http.md"),
            "toml" | "text" | "yaml" | "json" | "meanwhile" => {}
            other => panic!("{at}: {other}"),
        }
    }
    let known = ELSEWHERE.iter().map(|(page, count, _)| ((*page).to_owned(), *count)).collect();
    assert_eq!(elsewhere, known, "blocks that are run nowhere here");
}

/// What is left of a template can be read by a shell, and calls of the program are such as it takes.
#[test]
fn templates_are_such_as_the_program_takes() {
    let mut calls = 0;
    for (page, block) in
        all().into_iter().filter(|(_, block)| ["sh", "console"].contains(&block.language.as_str()))
    {
        let at = format!("{page}, line {}", block.at);
        let shown = block.language == "sh";
        let commands =
            block.lines.iter().filter_map(|line| line.strip_prefix("$ ").or(shown.then_some(line)));
        let text = commands.clone().collect::<Vec<_>>().join("\n");
        let shell = std::process::Command::new("bash").args(["-n", "-c", &text]).output().unwrap();
        assert!(shell.status.success(), "{at}: {}", String::from_utf8_lossy(&shell.stderr));
        for command in commands.filter(|line| line.trim_start().starts_with("resumeguard ")) {
            let words = words(command);
            let parsed = resumeguard::cli::command().try_get_matches_from(&words);
            let shown = parsed.err().filter(|error| error.use_stderr());
            assert!(shown.is_none(), "{at}: {command}\n{}", shown.unwrap());
            calls += 1;
        }
    }
    assert!(calls > 60, "{calls}");
}

/// A command's words up to whatever ends it: a comment, a pipe, a redirection, the next command.
fn words(command: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut quoted = false;
    for c in command.trim().chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.push(c),
            (None, '"' | '\'') => (quote, quoted) = (Some(c), true),
            (None, '#') if word.is_empty() => break,
            (None, '|' | ';' | '&' | '>' | '<') => break,
            (None, ' ') if word.is_empty() && !quoted => {}
            (None, ' ') => {
                found.push(std::mem::take(&mut word));
                quoted = false;
            }
            (None, _) => word.push(c),
        }
    }
    // `2> file`: the number belongs to the redirection.
    if !word.is_empty() && word != "2" {
        found.push(word);
    }
    found
}

#[test]
fn every_piece_of_configuration_is_taken() {
    let mut looked_at = 0;
    for (page, block) in all().into_iter().filter(|(_, block)| block.language == "toml") {
        let text = block.lines.join("\n");
        let raw: Result<resumeguard::config::Raw, _> = toml::from_str(&text);
        assert!(raw.is_ok(), "{page}, line {}: {}\n{text}", block.at, raw.unwrap_err());
        looked_at += 1;
    }
    assert!(looked_at > 5, "{looked_at}");
}

/// Every `console` block, page by page, each in a home of its own.
#[test]
fn what_is_shown_is_what_is_said() {
    let mut run = 0;
    for page in pages() {
        let parts = parts(&read(&page), None);
        let commands = parts.iter().filter(|part| matches!(part, Part::Command(..))).count();
        if commands == 0 {
            continue;
        }
        let mut shell = Shell::start(&[], &[]);
        // What a reader has of the repository or the package, to change at will.
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(root().join("dashboards"))
            .arg(shell.home())
            .status();
        assert!(copied.unwrap().success());
        for part in parts.iter().filter(|part| !matches!(part, Part::Meanwhile(_))) {
            shell.take(part);
        }
        run += commands;
    }
    assert!(run > 10, "{run}");
}

#[test]
fn what_differs_from_the_page_is_noticed() {
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    use crate::console::matches;
    assert!(matches(&shown(&["a  b", "…", "z"]), &["a b", "x", "y", "z"]));
    assert!(matches(&shown(&["in …s of … left"]), &["in 17s of 30 left"]));
    assert!(!matches(&shown(&["in …s of … left"]), &["in 17s of 30 gone"]));
    assert!(!matches(&shown(&["a"]), &["a", "b"]) && !matches(&shown(&["a", "b"]), &["a"]));
    let page = "```console\n$ echo one\ntwo\n```\n";
    let part = parts(page, None).remove(0);
    let different = std::panic::catch_unwind(|| Shell::start(&[], &[]).take(&part));
    assert!(different.is_err());
}
