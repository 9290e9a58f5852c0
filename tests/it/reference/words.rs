//! Closed lists: the words that metrics, JSON and tables carry, with what the code's own comments say of them.

use super::{code, head, row, same_as_page};
use crate::promql::root;
use resumeguard_core::domain::{LossCause, OnRestart, Verdict, Why};
use resumeguard_core::recovery::{Blocker, Mode, Strategy};

/// Every variant of an enum with the first paragraph of its comment.
fn variants(file: &str, name: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("crates/resumeguard-core/src").join(file)).unwrap();
    let body =
        text.split_once(&format!("pub enum {name} {{\n")).unwrap_or_else(|| panic!("{file} has no {name}")).1;
    let body = body.split_once("\n}\n").unwrap().0;
    let (mut found, mut comment) = (Vec::new(), Vec::<String>::new());
    // What is deeper belongs to a variant's own fields.
    for line in body.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")) {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim().to_owned());
        } else if line.starts_with(|c: char| c.is_ascii_uppercase()) {
            let variant: String = line.chars().take_while(char::is_ascii_alphanumeric).collect();
            let words = comment.split(String::is_empty).next().unwrap_or_default().join(" ");
            found.push((variant, words));
            comment.clear();
        }
    }
    found
}

/// A table of words. That there is a comment for each, in the same order, is held here.
#[track_caller]
fn table(title: &str, before: &str, file: &str, name: &str, codes: &[&str]) -> String {
    let variants = variants(file, name);
    assert_eq!(variants.len(), codes.len(), "{name}: {variants:?}");
    let mut text = format!("## {title}\n\n{before}\n\n{}", head(&["word", "means"]));
    for ((variant, words), word) in variants.iter().zip(codes) {
        let joined: String = variant.to_lowercase();
        assert_eq!(joined, word.replace(['_', '-'], ""), "{name}: another order");
        assert!(!words.is_empty(), "{name}::{variant} has no comment");
        text.push_str(&row(&[&code(word), words]));
    }
    text + "\n"
}

#[test]
fn words() {
    let why: Vec<&str> = Why::ALL.iter().map(|one| one.code()).collect();
    let restart: Vec<&str> = OnRestart::ALL.iter().map(|one| one.code()).collect();
    let causes: Vec<&str> = LossCause::ALL.iter().map(|one| one.code()).collect();
    let modes: Vec<&str> = Mode::ALL.iter().map(|one| one.code()).collect();
    let strategies: Vec<&str> = Strategy::ALL.iter().map(|one| one.code()).collect();
    let parts = [
        "# Words\n\nThe closed lists of words that metrics, JSON and tables carry. A new one is a change of contract and stands in the changelog.\n\n".to_owned(),
        table("Verdicts", "Would the stored position survive a restart now?", "domain/snapshot.rs", "Verdict", &Verdict::CODES),
        table("Why something is unknown", "`resumeguard_connector_unknown{why}`, `why` in JSON, `unknown{…}` in tables.", "domain/why.rs", "Why", &why),
        table("On restart", "What a restart would do.", "domain/snapshot.rs", "OnRestart", &restart),
        table("Causes of a loss", "`resumeguard_connector_history_losses_total{cause}`.", "domain/loss.rs", "LossCause", &causes),
        table("Modes of recovery", "`recovery.mode`.", "recovery/words.rs", "Mode", &modes),
        table("Strategies", "What each costs: [Strategies](../guide/strategies.md).", "recovery/words.rs", "Strategy", &strategies),
        table("Blockers", "`resumeguard_recovery_blocked{reason}`. `resumeguard recovery plan` says of each what clears it.", "recovery/blockers.rs", "Blocker", &Blocker::CODES),
    ];
    same_as_page("words.md", &parts.concat());
}
