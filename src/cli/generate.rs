//! `man` and `completions`: what packages install beside the program, drawn from the command line itself.

use super::{DEFAULT_FILE, Failure, Outcome, command, status};
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::Path;

const NAME: &str = "resumeguard";

/// What clap knows nothing of, in roff.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Done; for \fBstatus\fR: every connector is safe.
.TP
\fB1\fR
A negative answer; for \fBstatus\fR: at risk.
.TP
\fB2\fR
For \fBstatus\fR: critical, lost or failed. For \fBgate\fR: not every connector would resume.
.TP
\fB3\fR
For \fBstatus\fR, \fBgate\fR and \fBprobe\fR: unknown.
.TP
\fB64\fR
The command line is wrong.
.TP
\fB69\fR
Something cannot be reached.
.TP
\fB78\fR
The configuration is wrong.
"#;

const SIGNALS: &str = r#".SH SIGNALS
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
End the daemon. A recovery that is under way stops before its next step, and goes on when the daemon is started again.
.TP
\fBSIGHUP\fR
Has the daemon read its configuration again. One that is wrong changes nothing.
"#;

fn files_and_environment() -> String {
    format!(
        r#".SH FILES
.TP
\fB{DEFAULT_FILE}\fR
Read where no \fB\-\-config\fR names another. \fBresumeguard config example\fR prints every key with its default.
.TP
\fBhistory.db\fR, \fBjournal.db\fR, \fBcontrol.sock\fR, \fBfreeze\fR
In \fIhistory.directory\fR and \fIrecovery.directory\fR: what was seen; what recovery did; where commands ask the daemon;
while this one exists, recovery stands still.
.SH ENVIRONMENT
.TP
\fBRESUMEGUARD__SECTION__KEY\fR
Overrides a key of the configuration files, as \fBRESUMEGUARD__POLL__INTERVAL=30s\fR.
.TP
\fBRUST_LOG\fR
What is logged, as \fBresumeguard=debug\fR.
"#
    )
}

/// Prints a shell's completions.
pub(super) fn completions(shell: Shell) -> Result<Outcome, Failure> {
    let mut written = Vec::new();
    clap_complete::generate(shell, &mut command(), NAME, &mut written);
    status::print_exactly(&String::from_utf8_lossy(&written))
}

/// Prints the manual page of the program, or writes the pages of everything.
pub(super) fn manual(directory: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(directory) = directory else { return status::print_exactly(&page(command(), NAME)) };
    for (name, text) in pages() {
        let file = directory.join(format!("{name}.1"));
        std::fs::write(&file, text).map_err(|error| {
            Failure::new(Outcome::Unreachable, format!("cannot write {}: {error}", file.display()))
        })?;
    }
    Ok(Outcome::Done)
}

/// Every page by its name: the program's, and one for each command, as `resumeguard-recovery-plan`.
fn pages() -> Vec<(String, String)> {
    let mut whole = command();
    // Global options and the full names of commands come down to them.
    whole.build();
    let mut found = vec![(NAME.to_owned(), page(command(), NAME))];
    below(&whole, NAME, &mut found);
    found
}

fn below(parent: &clap::Command, name: &str, found: &mut Vec<(String, String)>) {
    for child in parent.get_subcommands().filter(|child| child.get_name() != "help") {
        let name = format!("{name}-{}", child.get_name());
        found.push((name.clone(), page(child.clone(), &name)));
        below(child, &name, found);
    }
}

/// One page. What holds for the whole program stands on its own page only; others lead there.
fn page(command: clap::Command, name: &str) -> String {
    let whole = name == NAME;
    let examples = examples(&command);
    let has_commands = command.has_subcommands();
    let shown = command.get_bin_name().unwrap_or(name).to_owned();
    let man = Man::new(command.display_name(name.to_owned()).bin_name(shown).disable_help_subcommand(true))
        .title(name.to_uppercase())
        .manual("resumeguard")
        .source(concat!("resumeguard ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _written = sections(&man, has_commands, &mut text).is_ok();
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(&examples);
    if whole {
        text.push_str(EXIT_STATUS);
        text.push_str(&files_and_environment());
        text.push_str(SIGNALS);
    } else {
        text.push_str(".SH \"SEE ALSO\"\n\\fBresumeguard\\fR(1)\n");
    }
    text
}

/// All but clap's section of the version: it stands in every page's foot.
fn sections(man: &Man, has_commands: bool, text: &mut Vec<u8>) -> std::io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if has_commands {
        man.render_subcommands_section(text)?;
    }
    Ok(())
}

/// What stands below a command's `--help`, laid out as it is there.
fn examples(command: &clap::Command) -> String {
    let Some(below) = command.get_after_help() else { return String::new() };
    let below = below.to_string();
    let lines = below.lines().skip(1).map(|line| line.trim().replace('\\', "\\\\").replace('-', "\\-"));
    // A line that begins with a dot or an apostrophe would be a request; `\&` is nothing, and no such beginning.
    let lines: Vec<String> = lines.map(|line| format!("\\&{line}\n")).collect();
    format!(".SH EXAMPLES\n.nf\n{}.fi\n", lines.concat())
}
