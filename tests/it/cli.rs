//! The program as a user meets it.

use crate::leaks::Leaks;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command line under construction, without whatever the environment of the tests may hold.
pub(crate) struct Line {
    command: Command,
    stdin: String,
    leaks: Leaks,
}

pub(crate) fn resumeguard(arguments: &[&str]) -> Line {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resumeguard"));
    command.args(arguments).env_remove("RUST_LOG");
    let files = arguments.windows(2).filter(|pair| pair[0] == "--config").map(|pair| pair[1]);
    let leaks = files.fold(Leaks::default(), |leaks, file| leaks.and(Leaks::of_file(file.as_ref())));
    Line { command, stdin: String::new(), leaks }
}

impl Line {
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self.leaks.key(key, value);
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    pub(crate) fn run(mut self) -> Run {
        let piped = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (mut stdin, text) = (child.stdin.take().unwrap(), self.stdin);
        // From a thread of its own: a program that answers before it has read everything must not block us.
        let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        // A program that reads no input may have ended first.
        writer.join().unwrap().ok();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        self.leaks.none_in("standard output", &stdout);
        self.leaks.none_in("standard error", &stderr);
        Run { code: status.code().unwrap_or(-1), stdout, stderr }
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "run",
        "status",
        "explain",
        "gate",
        "probe",
        "decode",
        "recovery plan",
        "recovery approve",
        "recovery discard",
        "recovery run",
        "recovery list",
        "recovery show",
        "recovery restore",
        "recovery acknowledge",
        "freeze",
        "unfreeze",
        "check-config",
        "healthcheck",
        "config example",
        "config print",
        "completions",
        "man",
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let run = resumeguard(&arguments).run();
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("Example:\n  resumeguard "), "{command}: {}", run.stdout);
    }
}

#[test]
fn usage_is_64_and_configuration_78() {
    assert_eq!(resumeguard(&["status", "--nonsense"]).run().code, 64);
    assert_eq!(resumeguard(&[]).run().code, 64);
    let nothing = resumeguard(&["status"]).env("RESUMEGUARD__HTTP__LISTEN", "127.0.0.1:9").run();
    assert_eq!(nothing.code, 78, "{nothing:?}");
    assert!(nothing.stderr.contains("add --connect URL"), "{nothing:?}");
    let bad = resumeguard(&["run", "--connect", "127.0.0.1:8083"]).run();
    assert_eq!((bad.code, bad.stderr.lines().count()), (78, 1), "{bad:?}");
}

#[test]
fn a_port_in_use_is_one_line_and_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = resumeguard(&["run", "--connect", "http://127.0.0.1:9"])
        .env("RESUMEGUARD__HTTP__LISTEN", &address)
        .run();
    assert_eq!((run.code, run.stderr.lines().count()), (69, 1), "{run:?}");
    assert!(
        run.stderr.contains(&format!("cannot listen on {address} (http.listen): Address already in use")),
        "{run:?}"
    );
}

#[test]
fn healthcheck_without_a_daemon_is_69_and_a_stranger_is_no_daemon() {
    let run = resumeguard(&["healthcheck"]).env("RESUMEGUARD__HTTP__LISTEN", "127.0.0.1:9").run();
    assert_eq!(run.code, 69, "{run:?}");
    assert!(run.stderr.contains("no daemon answers on 127.0.0.1:9"), "{run:?}");
}

/// A pass that hangs on a silent Connect does not keep the daemon from stopping at once, and with success.
#[test]
fn sigterm_in_mid_pass_ends_it_cleanly() {
    use std::io::{BufRead, BufReader, Read};
    // Accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_resumeguard"))
        .args(["run", "--connect", &url])
        .env("RESUMEGUARD__HTTP__LISTEN", "127.0.0.1:0")
        .env("RESUMEGUARD__POLL__INTERVAL", "60s")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(line.contains("watching"), "{line}");
    // The pass has begun once the listing call has arrived.
    let (mut call, _) = silent.accept().unwrap();
    let mut start = [0; 15];
    call.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"GET /connectors");
    let pid = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = daemon.wait().unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(status.success(), "{status} {rest}");
    assert!(rest.contains("stopping") && rest.contains("SIGTERM"), "{rest}");
}
