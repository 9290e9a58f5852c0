//! What the program is built of: licences, sources and crates as `deny.toml` allows them. `cargo xtask deny` asks cargo-deny,
//! which knows more; this needs nothing but the lock file.

use crate::promql::root;
use serde_json::Value;
use std::collections::BTreeSet;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn policy() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn words(list: &toml::Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Whether an SPDX expression can be met: one of `OR`, all of `AND`; `/` is an old `OR`. Nothing of ours nests deeper.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let flat = expression.replace('/', " OR ");
    if let Some((before, rest)) = flat.split_once('(') {
        let (inside, after) = rest.split_once(')').expect("a parenthesis ends");
        let inside = if is_allowed(inside, allowed) { "MIT" } else { "NONE" };
        return is_allowed(&format!("{before}{inside}{after}"), allowed);
    }
    flat.split(" OR ").any(|one| one.split(" AND ").all(|licence| allowed.contains(licence.trim())))
}

fn packages() -> Vec<Value> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 200, "{}", packages.len());
    packages
}

/// The list that goes along with the program is made by the same rule.
#[test]
fn what_is_handed_out_lists_the_licences_that_deny_toml_allows() {
    let about = std::fs::read_to_string(root().join("packaging/licences/about.toml")).unwrap();
    let about: toml::Table = about.parse().unwrap();
    assert_eq!(words(&about["accepted"]), words(&policy()["licenses"]["allow"]));
}

#[test]
fn every_crate_is_one_that_deny_toml_allows() {
    let policy = policy();
    let allowed = words(&policy["licenses"]["allow"]);
    let denied: BTreeSet<String> = policy["bans"]["deny"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["crate"].as_str().unwrap().to_owned())
        .collect();
    for package in packages() {
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(is_allowed(licence, &allowed), "{name} is under {licence}, which deny.toml does not allow");
        assert!(!denied.contains(package["name"].as_str().unwrap()), "{name}: deny.toml says no");
        let source = &package["source"];
        assert!(source.is_null() || source == REGISTRY, "{name} is from {source}");
    }
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("Apache-2.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR Zlib) AND ISC", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
