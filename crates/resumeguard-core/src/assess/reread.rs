//! Reading a memory that another version has written: what it does not know or cannot read is left out, field by field, so
//! that an upgrade costs no counter.

use super::continuity::Continuity;
use super::memory::{ConnectorMemory, Memory};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The parts, as far as they have their form.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Parts {
    connectors: Vec<(Value, Map<String, Value>)>,
    oplogs: Vec<Value>,
    gone: Vec<Value>,
}

impl Memory {
    /// Reads what was written down, and tells how many parts of it had to be left out.
    ///
    /// # Errors
    /// Where it is no memory at all.
    pub fn reread(json: &str) -> Result<(Self, usize), serde_json::Error> {
        if let Ok(memory) = serde_json::from_str(json) {
            return Ok((memory, 0));
        }
        let parts: Parts = serde_json::from_str(json)?;
        let mut left_out = 0;
        let mut whole = Self::default();
        for (id, mut fields) in parts.connectors {
            let Ok(id) = serde_json::from_value(id) else {
                left_out += 1;
                continue;
            };
            if let Some(Value::Object(continuity)) = fields.get_mut("continuity") {
                left_out += keep_readable::<Continuity>(continuity);
            }
            left_out += keep_readable::<ConnectorMemory>(&mut fields);
            whole.connectors.insert(id, serde_json::from_value(Value::Object(fields)).unwrap_or_default());
        }
        for oplog in parts.oplogs {
            match serde_json::from_value(oplog) {
                Ok((key, oplog)) => whole.oplogs.keep(&key, &oplog),
                Err(_) => left_out += 1,
            }
        }
        for gone in parts.gone {
            match serde_json::from_value(gone) {
                Ok((id, gone)) => drop(whole.gone.insert(id, gone)),
                Err(_) => left_out += 1,
            }
        }
        Ok((whole, left_out))
    }
}

/// Takes out every field that `T` cannot read; how many those are.
fn keep_readable<T: DeserializeOwned>(fields: &mut Map<String, Value>) -> usize {
    let before = fields.len();
    fields.retain(|name, value| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<T>(Value::Object(alone)).is_ok()
    });
    before - fields.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::story::*;
    use crate::assess::tests::*;
    use crate::assess::{Thresholds, assess};
    use crate::domain::*;

    /// A connector that has lost history, failed, and is in the middle of things.
    fn written() -> (Memory, Facts, Value) {
        let mut story = Story::begin(AT, opened(AT, after(AT)));
        story
            .pass(|facts| see(facts, opened(AT + 600, StreamStart::Now)))
            .pass(|facts| stored(facts, AT + 650));
        story.pass(fail);
        let (memory, facts) = story.into_parts();
        let json = serde_json::to_value(&memory).unwrap();
        (memory, facts, json)
    }

    #[track_caller]
    fn counters(memory: &Memory, facts: &Facts) {
        let (snapshot, _) = assess(memory, facts, &Thresholds::default(), now(600));
        let report = &snapshot.connectors[0];
        assert_eq!(report.losses[&LossCause::Reopened].0, 1);
        assert_eq!(report.failures.values().sum::<u64>(), 1);
    }

    #[test]
    fn one_changed_field_costs_that_field_alone() {
        let (memory, facts, json) = written();
        counters(&memory, &facts);
        for (path, value, lost) in [
            ("/connectors/0/1/from_the_future", serde_json::json!(1), 0),
            ("/connectors/0/1/continuity/from_the_future", serde_json::json!([1]), 0),
            ("/connectors/0/1/verdict", serde_json::json!({"a": 1}), 1),
            ("/connectors/0/1/advance", serde_json::json!("text"), 1),
            ("/connectors/0/1/continuity/stand", serde_json::json!(["x"]), 1),
            ("/connectors/0/1/continuity/owned", serde_json::json!(7), 1),
            ("/oplogs/0/1", serde_json::json!("x"), 1),
        ] {
            let mut changed = json.clone();
            let (parent, name) = path.rsplit_once('/').unwrap();
            let parent = changed.pointer_mut(parent).unwrap();
            if let Some(fields) = parent.as_object_mut() {
                fields.insert(name.to_owned(), value);
            } else {
                parent[name.parse::<usize>().unwrap()] = value;
            }
            let (read, left_out) = Memory::reread(&changed.to_string()).unwrap();
            assert_eq!(left_out, lost, "{path}");
            counters(&read, &facts);
        }
        assert_eq!(Memory::reread(&json.to_string()).unwrap(), (memory, 0));
    }

    #[test]
    fn what_cannot_be_named_is_left_out_alone() {
        let (_, _, mut json) = written();
        json["connectors"].as_array_mut().unwrap().push(serde_json::json!([5, {}]));
        json["connectors"].as_array_mut().unwrap().push(serde_json::json!([6, {}]));
        assert_eq!(Memory::reread(&json.to_string()).unwrap().1, 2);
        json["gone"] = serde_json::json!(["x", "y", "z"]);
        let (read, left_out) = Memory::reread(&json.to_string()).unwrap();
        assert_eq!((read.connectors.len(), left_out), (1, 5));
    }

    #[test]
    fn what_is_no_memory_is_an_error() {
        for text in ["torn", "{\"connectors\": 5}", "[1]", ""] {
            assert!(Memory::reread(text).is_err(), "{text}");
        }
    }
}
