//! Which keys somebody has written: names of keys only, no value.

use config::{Value, ValueKind};
use std::collections::BTreeMap;

/// The origin that the `config` crate gives to values of its source `Environment`.
const ENVIRONMENT: &str = "the environment";

/// Every key that is written, by its path.
#[derive(Debug, Clone, Default)]
pub struct Written(BTreeMap<Vec<String>, Place>);

/// Where a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File,
    /// In a variable of the environment.
    Environment,
    /// Nowhere: its default counts.
    Nowhere,
}

impl Written {
    pub(super) fn of(tree: &Value) -> Self {
        let mut written = Self::default();
        written.walk(&mut Vec::new(), tree);
        written
    }

    /// Where the key at this path is written.
    #[must_use]
    pub fn place(&self, path: &[&str]) -> Place {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        self.0.get(&path).copied().unwrap_or(Place::Nowhere)
    }

    fn walk(&mut self, path: &mut Vec<String>, value: &Value) {
        if let ValueKind::Table(table) = &value.kind {
            for (key, value) in table {
                path.push(key.clone());
                self.walk(path, value);
                path.pop();
            }
            return;
        }
        let by_environment = value.origin() == Some(ENVIRONMENT);
        self.0.insert(path.clone(), if by_environment { Place::Environment } else { Place::File });
    }
}
