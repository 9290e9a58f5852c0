//! Pinned SHA-256 sums, in `sha256sum`'s own format.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

/// Large enough that hashing, not reading, is the work.
const READ_BYTES: usize = 256 * 1024;

/// File names and the sums they must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    sums: BTreeMap<String, String>,
    /// A file that may stand beside them, and must.
    built: Option<String>,
}

impl Pins {
    /// Parses lines of `<64 hex digits>  <file name>`.
    ///
    /// # Errors
    /// On any other line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut sums = BTreeMap::new();
        for line in text.lines() {
            let (sum, name) = line.split_once("  ").with_context(|| format!("not a pin: {line:?}"))?;
            ensure!(sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()), "not a SHA-256: {sum:?}");
            ensure!(!name.contains('/'), "a pin names a file, not a path: {name:?}");
            sums.insert(name.to_owned(), sum.to_owned());
        }
        ensure!(!sums.is_empty(), "no pins");
        Ok(Self { sums, built: None })
    }

    /// The pinned file names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sums.keys().map(String::as_str)
    }

    /// The pins of which `keep` holds.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = self.sums.iter().filter(|(name, _)| keep(name));
        Self {
            sums: kept.map(|(name, sum)| (name.clone(), sum.clone())).collect(),
            built: self.built.clone(),
        }
    }

    /// With a file beside them that was built here.
    #[must_use]
    pub fn beside(self, built: Option<String>) -> Self {
        Self { built, ..self }
    }

    /// Checks that the folder holds exactly the pinned files with the pinned content. An extra jar would be on the
    /// class path, so it is refused like a changed one.
    ///
    /// # Errors
    /// Names the first file that is missing, extra or different.
    pub fn verify(&self, folder: &Path) -> Result<()> {
        let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let name = entry?.file_name();
            let is_built = self.built.as_deref().is_some_and(|built| name == built);
            if !is_built && !name.to_str().is_some_and(|name| self.sums.contains_key(name)) {
                bail!("{} is not pinned, refused", folder.join(name).display());
            }
        }
        if let Some(built) = &self.built {
            ensure!(folder.join(built).is_file(), "{} is missing", folder.join(built).display());
        }
        for (name, pinned) in &self.sums {
            let path = folder.join(name);
            let found = sha256(&path)?;
            ensure!(found == *pinned, "{}: SHA-256 is {found}, pinned is {pinned}: refused", path.display());
        }
        Ok(())
    }
}

/// The SHA-256 of a file in lower-case hex.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  a.jar";

    fn folder(test: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("resumeguard-pins-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        folder
    }

    fn verdict(test: &str, files: &[(&str, &str)]) -> String {
        let folder = folder(test, files);
        let verdict = Pins::parse(HELLO).unwrap().verify(&folder);
        fs::remove_dir_all(folder).unwrap();
        verdict.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn exactly_the_pinned_files_are_accepted() {
        assert_eq!(verdict("same", &[("a.jar", "hello")]), "ok");
        assert!(verdict("changed", &[("a.jar", "hellO")]).ends_with("refused"));
        assert!(
            verdict("extra", &[("a.jar", "hello"), ("b.jar", "")]).ends_with("b.jar is not pinned, refused")
        );
        assert!(verdict("missing", &[]).starts_with("cannot open"));
    }

    #[test]
    fn only_pins_are_pins() {
        for bad in ["", "abc  a.jar", "deadbeef", &HELLO.replace("a.jar", "../a.jar")] {
            assert!(Pins::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn committed_pins_parse() {
        for text in [
            include_str!("../pins/mongod-6.0.5.sha256"),
            include_str!("../pins/kafka-4.1.0.sha256"),
            include_str!("../pins/mongo-kafka-connect-2.0.1.sha256"),
            include_str!("../pins/connect-basic-auth-extension-4.1.0.sha256"),
            include_str!("../pins/mongodb-resumetoken-decoder-1.1.2.sha256"),
            include_str!("../pins/axe-core-4.14.1.sha256"),
        ] {
            Pins::parse(text).unwrap();
        }
    }
}
