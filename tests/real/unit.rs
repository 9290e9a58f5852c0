//! The unit as systemd understands it, and how much it could do to its machine. Its life under a real systemd: `cargo xtask service`.

use std::process::Command;

/// systemd's own measure, in tenths: 0 nothing, 100 everything.
const MOST_EXPOSED: &str = "--threshold=12";

#[tokio::test]
async fn the_unit_is_understood_and_exposes_little() {
    xtask::ensure(&[xtask::Need::SystemdAnalyze], &xtask::Progress::silent()).await.unwrap();
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/resumeguard.service");
    let text = std::fs::read_to_string(unit).unwrap();
    // It is not started: there are no words of it to look for leaks in. Where it is installed there is no program here, which would be found fault with.
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("resumeguard.service");
    std::fs::write(&here, text.replace("/usr/bin/resumeguard", env!("CARGO_BIN_EXE_resumeguard"))).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&here).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.success(), said.concat())
    };
    let (well, said) = analyze(&["verify", "--man=no"]);
    assert!(well && !said.contains("resumeguard.service:"), "{said}");
    let (well, said) = analyze(&["security", "--no-pager", "--offline=yes", MOST_EXPOSED]);
    assert!(well, "{said}");
    println!("{}", said.lines().last().unwrap_or_default());
    std::fs::write(
        &here,
        "[Service]\nType=notify\nExecStart=/usr/bin/true\nUser=resumeguard\nProtectSystem=perhaps\n",
    )
    .unwrap();
    assert!(!analyze(&["security", "--no-pager", "--offline=yes", MOST_EXPOSED]).0, "a bare one is refused");
}
