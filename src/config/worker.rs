//! A standalone worker: its file, and how it is stopped and started.

use super::load::ConfigError;
use super::raw::RawConnect;
use super::recovery::Argv;
use std::path::{Path, PathBuf};

/// A standalone worker whose offsets file may be edited while it is down.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its `offset.storage.file.filename`.
    pub file: PathBuf,
    /// Even where its REST could alter offsets.
    pub always: bool,
    /// Program and arguments that stop it, and return once it is stopped; a person does it where there is none.
    pub stop: Option<Vec<String>>,
    /// Program and arguments that start it.
    pub start: Option<Vec<String>>,
}

/// What `edit_offsets_file`, `stop_worker` and `start_worker` come to.
pub(super) fn worker(name: &str, raw: &RawConnect) -> Result<Option<Worker>, ConfigError> {
    let key = |field: &str| format!("connect.{name}.{field}");
    let argv = |field: &str, argv: Option<&Argv>| -> Result<Option<Vec<String>>, ConfigError> {
        let Some(Argv(argv)) = argv else { return Ok(None) };
        match argv.first() {
            Some(program) if Path::new(program).is_absolute() => Ok(Some(argv.clone())),
            Some(program) => Err(ConfigError::at(&key(field), format!("`{program}` is no absolute path"))),
            None => Ok(None),
        }
    };
    let (stop, start) =
        (argv("stop_worker", raw.stop_worker.as_ref())?, argv("start_worker", raw.start_worker.as_ref())?);
    if stop.is_some() != start.is_some() {
        let problem = "stop_worker and start_worker belong together: set both, or neither";
        return Err(ConfigError::at(&key("stop_worker"), problem));
    }
    let always = match raw.edit_offsets_file.as_str() {
        "when_needed" => false,
        "always" => true,
        "never" => return Ok(None),
        word => {
            let problem = format!("`{word}` is none of \"when_needed\", \"always\", \"never\"");
            return Err(ConfigError::at(&key("edit_offsets_file"), problem));
        }
    };
    let file = raw.offsets_file.as_ref().map(PathBuf::from);
    Ok(file.map(|file| Worker { file, always, stop, start }))
}
