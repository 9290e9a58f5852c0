//! The command line, from clap's own description of it.

use super::{code, head, row, same_as_page};
use clap::{Arg, Command};

const BEFORE: &str = "# Command line

`resumeguard COMMAND --help` prints the same. Every command ends with one of these:

| exit status | means |
|---|---|
| 0 | done; `status`: all safe |
| 1 | a negative answer; `status`: at risk |
| 2 | `status`: critical, lost or failed; `gate`: not every connector would resume |
| 3 | `status`, `gate`, `probe`: unknown |
| 64 | the command line is wrong |
| 69 | something cannot be reached, or a file that the configuration names is not there yet |
| 78 | the configuration is wrong |

Answers go to standard output, what went wrong in one line to standard error.

";

fn words(arg: &Arg) -> String {
    arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default()
}

/// `--connect URL`, or `CONNECTOR`.
fn shown(arg: &Arg) -> String {
    let values =
        arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let values = values.join(" ");
    match arg.get_long() {
        Some(long) if arg.get_action().takes_values() => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    }
}

fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<String> = arguments
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .map(|arg| {
            let default = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
            let possible = arg.get_possible_values();
            let possible: Vec<String> = possible.iter().map(|value| code(value.get_name())).collect();
            let flag = !arg.get_action().takes_values();
            let mut says = words(arg);
            if !possible.is_empty() && !flag {
                says = format!("{}. One of {}.", says.trim().trim_end_matches('.'), possible.join(", "));
            }
            let default: Vec<String> = default.filter(|_| !flag).map(|value| code(&value)).collect();
            row(&[&code(&shown(arg)), &default.join(" "), &says])
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("{}{}\n", head(&["argument", "default", "says"]), rows.concat())
    }
}

fn section(command: &mut Command, name: &str, text: &mut String) {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    text.push_str(&format!("## `{name}`\n\n{}\n\n", about.unwrap_or_default()));
    if command.has_subcommands() {
        for child in command.get_subcommands_mut() {
            let name = format!("{name} {}", child.get_name());
            section(child, &name, text);
        }
        return;
    }
    let usage = command.render_usage().to_string();
    text.push_str(&format!("```text\n{}\n```\n\n", usage.trim().trim_start_matches("Usage: ")));
    text.push_str(&arguments(command.get_arguments().filter(|arg| !arg.is_global_set())));
    if let Some(example) = command.get_after_help().map(ToString::to_string) {
        let lines: Vec<&str> = example.lines().skip(1).map(str::trim).collect();
        text.push_str(&format!("```sh\n{}\n```\n\n", lines.join("\n")));
    }
}

#[test]
fn commands() {
    let mut whole = resumeguard::cli::command();
    whole.build();
    let globals = arguments(whole.get_arguments().filter(|arg| arg.is_global_set()));
    let mut text = format!("{BEFORE}These go with every command:\n\n{globals}");
    for command in whole.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        let name = format!("resumeguard {}", command.get_name());
        section(command, &name, &mut text);
    }
    same_as_page("commands.md", &text);
}
