//! Versions of MongoDB's connector that the registries at hand do not have: built from the commit that they were published from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::machine;
use crate::parts::find_all;

/// Where its authors have it. Whoever cannot reach that sets git's `url.<a mirror>.insteadOf`.
const REPOSITORY: &str = "https://github.com/mongodb/mongo-kafka";
/// Of the class that its build generates.
const PACKAGE: &str = "com/mongodb/kafka/connect";

/// How the jar of a part is called.
pub(crate) fn jar(part: &str) -> String {
    format!("{part}.jar")
}

/// A folder with the connector's jar and its driver's.
pub(crate) async fn built(
    part: &str,
    (tag, commit): (&str, &str),
    driver: &Path,
    api: &Path,
    scratch: &Path,
) -> Result<PathBuf> {
    let (source, classes, ready) = (scratch.join("source"), scratch.join("classes"), scratch.join("ready"));
    for folder in [&source, &classes, &ready] {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    checked_out(tag, commit, &source).await?;
    let (_, version) = part.rsplit_once('-').context("a part without a version")?;
    let main = source.join("src/main/java");
    let versions = main.join(PACKAGE).join("Versions.java");
    fs::write(versions, generated(version))?;
    let mut sources = String::new();
    for path in find_all(&main, "java")? {
        sources.push_str(&format!("{}\n", path.display()));
    }
    fs::write(scratch.join("sources"), sources)?;
    let class_path = format!("{}/*:{}/*", api.display(), driver.display());
    // Of its time, and without its checks of style.
    let options = ["-nowarn", "-proc:none", "--release", "8", "-encoding", "UTF-8", "-d", "classes"];
    machine::run("javac", &[&options[..], &["-cp", &class_path, "@sources"]].concat(), scratch).await?;
    let jar = ready.join(jar(part)).display().to_string();
    machine::run("jar", &["--create", "--file", &jar, "-C", "classes", "."], scratch).await?;
    for entry in fs::read_dir(driver)? {
        let entry = entry?;
        fs::copy(entry.path(), ready.join(entry.file_name()))?;
    }
    Ok(ready)
}

/// Fetches one commit, and no other whatever the tag says by now.
async fn checked_out(tag: &str, commit: &str, folder: &Path) -> Result<()> {
    machine::run("git", &["init", "--quiet"], folder).await?;
    let reference = format!("refs/tags/{tag}");
    machine::run("git", &["fetch", "--quiet", "--depth", "1", REPOSITORY, &reference], folder)
        .await
        .with_context(|| format!("{tag} of {REPOSITORY} cannot be fetched"))?;
    let at = folder.display().to_string();
    let found = machine::output("git", &["-C", &at, "rev-parse", "FETCH_HEAD^{commit}"]).await?;
    ensure!(found.trim() == commit, "{tag} of {REPOSITORY} is {}, pinned is {commit}: refused", found.trim());
    machine::run("git", &["checkout", "--quiet", "FETCH_HEAD"], folder).await
}

/// What its own build would generate.
fn generated(version: &str) -> String {
    format!(
        "package com.mongodb.kafka.connect;\n\npublic final class Versions {{\n    public static final String NAME = \"mongo-kafka\";\n    \
         public static final String VERSION = \"{version}\";\n}}\n"
    )
}
