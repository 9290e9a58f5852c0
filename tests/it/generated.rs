//! What packages install beside the program: manual pages and completions.

use crate::cli::resumeguard;
use std::process::Command;

/// Every command by its words, as `recovery plan`.
pub(crate) fn commands() -> Vec<String> {
    fn below(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        for child in command.get_subcommands() {
            let name = format!("{name} {}", child.get_name()).trim().to_owned();
            found.push(name.clone());
            below(child, &name, found);
        }
    }
    let mut found = Vec::new();
    below(&resumeguard::cli::command(), "", &mut found);
    found
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = resumeguard(&["man", "--directory", path]).run();
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
    for command in commands() {
        let text = page(&format!("resumeguard-{}", command.replace(' ', "-")));
        for part in [".TH RESUMEGUARD-", ".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(text.contains(part), "{command}: {part} is missing in {text}");
        }
        assert!(
            text.contains(&format!("\\fBresumeguard {}\\fR", command.replace('-', "\\-"))),
            "{command}: {text}"
        );
    }
    let whole = page("resumeguard");
    assert_eq!(whole, resumeguard(&["man"]).run().stdout, "what is printed is what is written");
    for status in ["0", "1", "2", "3", "64", "69", "78"] {
        assert!(whole.contains(&format!("\n\\fB{status}\\fR\n")), "exit status {status}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), commands().len() + 1);
    // A package that is built again is the same.
    assert!(!whole.contains("profile") && !whole.contains("commit"), "{whole}");
}

#[test]
fn a_folder_that_is_not_there_is_one_line() {
    let run = resumeguard(&["man", "--directory", "/nowhere/at/all"]).run();
    assert_eq!((run.code, run.stderr.lines().count()), (69, 1), "{run:?}");
    assert!(run.stderr.contains("cannot write /nowhere/at/all/resumeguard.1"), "{run:?}");
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let run = resumeguard(&["completions", shell]).run();
        assert_eq!(run.code, 0, "{run:?}");
        for word in commands().iter().flat_map(|command| command.split(' ')) {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    let bash = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bash.path(), resumeguard(&["completions", "bash"]).run().stdout).unwrap();
    // What bash itself offers after `resumeguard recovery a`.
    let ask = format!(
        "source {}; COMP_WORDS=(resumeguard recovery a); COMP_CWORD=2; _resumeguard resumeguard a recovery; echo ${{COMPREPLY[@]}}",
        bash.path().display()
    );
    let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), "approve acknowledge", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_version_says_what_was_built() {
    let long = resumeguard(&["--version"]).run().stdout;
    let keys: Vec<&str> = long.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(keys, ["commit", "target", "features", "profile", "librdkafka", "sqlite"], "{long}");
    assert_eq!(long.lines().next(), resumeguard(&["-V"]).run().stdout.lines().next());
}
