//! What the compiler cannot hold: see "Invariants" in docs/ARCHITECTURE.md.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "corpus", "artifacts"].contains(&name.as_str()) {
            files(&path, ending, found);
        } else if path.is_file() && name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root(), ".rs", &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root()).unwrap().display().to_string(), text)
        })
        .collect()
}

/// The core reads no clock, socket or file: none of the crates that could is among its dependencies.
#[test]
fn the_core_depends_on_no_io_crate() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "resumeguard-core",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("serde_json"), "the tree is read at all: {tree}");
    for forbidden in
        ["tokio", "reqwest", "mongodb v", "rdkafka", "axum", "hyper", "rusqlite", "tracing", "socket2", "mio"]
    {
        assert!(!tree.lines().any(|line| line.starts_with(forbidden)), "{forbidden} in {tree}");
    }
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("crates/resumeguard-core/src")) {
        for forbidden in ["std::fs", "std::net", "std::process", "std::env", "Instant::now", "SystemTime"] {
            assert!(!text.contains(forbidden), "{forbidden} in {path}");
        }
    }
}

/// Two TLS stacks in one tree double the code that must be trusted, and make rustls' default ambiguous.
#[test]
fn one_crypto_provider() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"ring\""));
    for second in ["aws-lc-rs", "native-tls", "boring"] {
        assert!(
            !lock.contains(&format!("name = \"{second}\"")),
            "{second} came in; see `cargo tree -i {second}`"
        );
    }
}

/// Whoever starts the program in a test looks for secrets in what it says (`tests/program/leaks.rs`).
#[test]
fn every_start_of_the_program_in_a_test_is_looked_at_for_leaks() {
    let name = ["CARGO_BIN_EXE", "_resumeguard"].concat();
    let starts: Vec<_> = sources().into_iter().filter(|(_, text)| text.contains(&name)).collect();
    assert!(starts.len() >= 5, "{}", starts.len());
    for (path, text) in starts {
        assert!(text.contains("leaks"), "{path} starts the program and looks for no leaks");
    }
}

/// Every metric's name stands in one file, and in the golden page.
#[test]
fn metric_names_stand_in_one_file() {
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src/")) {
        let allowed = path == "src/publish/metrics.rs" || path == "src/publish/families.rs";
        assert!(allowed || !text.contains("Family::"), "a metric is made in {path}");
    }
}

/// `main.rs` under 60 lines, files that one can hold in mind.
#[test]
fn sizes() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let limit = if path.ends_with("main.rs") && !path.starts_with("tests/") { 60 } else { 500 };
        assert!(lines <= limit, "{path} has {lines} lines, more than {limit}: split it");
        let banned = ["mod utils", "mod helpers", "mod common", "mod manager"];
        assert!(path.ends_with("tidy.rs") || !banned.iter().any(|name| text.contains(name)), "{path}");
    }
}

/// The map names every room of the source tree.
#[test]
fn the_map_names_every_room() {
    let map = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert!(map.lines().count() <= 150, "the map is too long to be read");
    let mut rooms: Vec<String> =
        vec!["mongodb-resume-token".into(), "resumeguard-core".into(), "xtask".into()];
    for folder in ["src", "crates/resumeguard-core/src"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().replace(".rs", "");
            if !["main", "lib"].contains(&name.as_str()) {
                rooms.push(name);
            }
        }
    }
    for room in rooms {
        assert!(map.contains(&format!("`{room}`")), "docs/ARCHITECTURE.md does not name `{room}`");
    }
}

/// Every manifest states the same minimum version of Rust.
#[test]
fn every_manifest_states_the_msrv() {
    let mut manifests = Vec::new();
    files(&root(), "Cargo.toml", &mut manifests);
    assert!(manifests.len() >= 4);
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("rust-version"), "{} states no rust-version", manifest.display());
    }
}
