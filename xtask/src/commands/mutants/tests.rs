//! The whole way, on a package of which it is known what becomes of each mutant.

use std::path::{Path, PathBuf};

use xtask::Progress;

use super::ledger::{Ledger, Verdict};
use super::list::{Mutant, parse};
use super::subject::Subject;
use super::survey::survey;

/// A folder of a test's own that goes with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn tiny(output: &Folder) -> Subject {
    Subject {
        root: Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants/tiny"),
        files: ["Cargo.toml", "src/lib.rs"].map(PathBuf::from).to_vec(),
        package: "tiny".to_owned(),
        folder: PathBuf::new(),
        library: "src/lib.rs".into(),
        decisive: vec!["src".into()],
        tests: vec!["--lib".to_owned()],
        output: output.0.clone(),
        patience: 1,
        compiler: 5,
    }
}

fn mutants() -> Vec<Mutant> {
    parse(include_str!("../../../mutants/tiny/list.json")).unwrap()
}

/// What the ledger says of a mutant, without which test it was.
fn verdict(subject: &Subject, change: &str) -> Verdict {
    let ledger = Ledger::open(&subject.output.join("results.jsonl"), subject.code().unwrap()).unwrap();
    let mutant = mutants().into_iter().find(|mutant| mutant.change == change).unwrap();
    ledger.verdict(&mutant).unwrap()
}

#[tokio::test]
async fn caught_missed_endless_and_what_does_not_compile_are_told_apart() {
    let folder = Folder(std::env::temp_dir().join(format!("resumeguard-mutants-{}", std::process::id())));
    let subject = tiny(&folder);
    let outcome = survey(&subject, &mutants(), &Progress::silent()).await.unwrap();
    // Were one of these called caught, the tests would be believed to see what they do not.
    let survivors: Vec<_> = outcome.survivors.iter().map(|mutant| mutant.change.as_str()).collect();
    assert_eq!(
        survivors,
        [
            "replace > with >= in beyond",
            "replace counted_down -> u8 with 0",
            "delete ! in forgotten",
            "replace forgotten -> bool with false",
            "replace forgotten -> bool with true",
        ]
    );
    for (change, expected) in [
        ("replace > with == in beyond", Verdict::Caught),
        ("replace -= with /= in counted_down", Verdict::Endless),
        ("replace Opaque::made -> Self with Default::default()", Verdict::Unviable),
        ("replace * with + in doubled", Verdict::Caught),
        ("replace doubled -> impl Iterator<Item = u8> with ::std::iter::empty()", Verdict::Caught),
        ("replace + with -", Verdict::Caught),
        // The compiler itself would never come to an end.
        ("replace += with *= in three", Verdict::Endless),
    ] {
        assert_eq!(verdict(&subject, change), expected, "{change}");
    }
    // Nothing is tried twice: the second run does not even build.
    std::fs::remove_dir_all(folder.0.join("build")).unwrap();
    let again = survey(&subject, &mutants(), &Progress::silent()).await.unwrap();
    assert_eq!(again.to_string(), outcome.to_string());
    assert!(!folder.0.join("build").exists());
}
