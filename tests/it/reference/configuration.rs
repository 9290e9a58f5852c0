//! Every key, from the annotated example; its default from the code.

use super::{code, head, paragraph, row, same_as_page};
use resumeguard::config::{EXAMPLE, Raw};
use toml::Value;

/// One of each table that has a name of its own, with what it cannot do without.
const NAMED: &str = r#"
[connect.NAME]
url = "required"
[connect.NAME.kafka]
[connect.NAME.other_kafka.ANY]
bootstrap_servers = "required"
[mongodb.NAME]
[mongodb.NAME.shards.SHARD]
[thresholds.overrides.NAME]
connectors = ["required"]
[mutes.NAME]
connectors = ["required"]
reason = "required"
until = "required"
[http.users.NAME]
[recovery.policies.NAME]
connectors = ["required"]
"#;

const BEFORE: &str = "# Configuration

Every key that there is: one that is not listed here is refused, with the file and the key's name. `resumeguard config example`
prints the same as a file; `resumeguard config print` what is in force, secrets redacted; `resumeguard check-config` says
whether it is good, with `--connectivity` whether everything can be read.

*Default* is what holds where the key is left out; `–` means that it is not set then.

";

/// A key of the example.
struct Key {
    name: String,
    value: String,
    meaning: Vec<String>,
    /// It stands there as it is by default: `the_documented_defaults_are_the_codes` holds these.
    on: bool,
}

/// A table of the example, with what is said before it.
#[derive(Default)]
struct Section {
    name: String,
    before: Vec<String>,
    keys: Vec<Key>,
    /// Comments among its keys.
    notes: Vec<String>,
}

/// The line without the mark that switches it off.
fn bare(line: &str) -> &str {
    line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).unwrap_or(line)
}

/// `[name]`, and what is said beside it.
fn table(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = bare(line).strip_prefix('[')?.split_once(']')?;
    let beside = rest.trim().trim_start_matches('#').trim();
    (rest.is_empty() || rest.trim_start().starts_with('#')).then_some((name, beside))
}

/// `key = value   # meaning`, switched on or off.
fn key(line: &str) -> Option<Key> {
    let (name, rest) = bare(line).split_once(" = ")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.\"-".contains(c);
    if !name.chars().all(is_name) {
        return None;
    }
    let (value, meaning) = rest.split_once("  #").or_else(|| rest.split_once(" # ")).unwrap_or((rest, ""));
    let meaning = if meaning.is_empty() { vec![] } else { vec![meaning.trim().to_owned()] };
    let on = !line.starts_with('#');
    Some(Key { name: name.to_owned(), value: value.trim().to_owned(), meaning, on })
}

/// Preamble and tables of the example.
fn sections() -> (Vec<String>, Vec<Section>) {
    let (mut sections, mut waiting, mut preamble) = (Vec::<Section>::new(), Vec::new(), Vec::new());
    for line in EXAMPLE.lines() {
        let goes_on = line.starts_with(' ') && line.trim_start().starts_with('#');
        let last = sections.last_mut();
        if let Some((name, beside)) = table(line) {
            let before = std::mem::take(&mut waiting).into_iter().chain([beside.to_owned()]).collect();
            sections.push(Section { name: name.to_owned(), before, ..Section::default() });
        } else if let Some(found) = key(line) {
            let section = last.expect("a key stands in a table");
            section.notes.append(&mut waiting);
            section.keys.push(found);
        } else if goes_on {
            let meaning = &mut last.unwrap().keys.last_mut().unwrap().meaning;
            meaning.push(line.trim_start().trim_start_matches('#').trim().to_owned());
        } else if line.is_empty() {
            let target =
                if sections.is_empty() { &mut preamble } else { &mut sections.last_mut().unwrap().notes };
            target.append(&mut waiting);
        } else {
            waiting.push(bare(line).to_owned());
        }
    }
    (preamble, sections)
}

/// What the code says of this key of this table; `None` where it is not set, or no key of the code's.
fn default(defaults: &Value, table: &str, key: &str) -> Option<String> {
    let mut at = defaults;
    for part in table.split('.').chain([key]) {
        at = at.get(part)?;
    }
    Some(at.to_string())
}

fn section(section: &Section, defaults: &Value, required: &Value) -> String {
    let mut text = format!("## `[{}]`\n\n", section.name);
    for words in [&section.before, &section.notes] {
        let words = paragraph(words);
        if !words.is_empty() {
            text.push_str(&format!("{words}\n\n"));
        }
    }
    text.push_str(&head(&["key", "default", "meaning"]));
    for key in &section.keys {
        let must = default(required, &section.name, &key.name).is_some();
        let known = default(defaults, &section.name, &key.name);
        let shown = match &known {
            _ if must => "required".to_owned(),
            _ if key.on => code(&key.value),
            Some(value) => code(value),
            None => "–".to_owned(),
        };
        let example = !key.on && (must || known.as_ref() != Some(&key.value));
        let example = example.then(|| format!("Example: `{}`", key.value));
        let meaning = key.meaning.join(" ").trim_end_matches([':', '.']).to_owned();
        let said = [Some(meaning).filter(|meaning| !meaning.is_empty()), example];
        let joined = said.into_iter().flatten().collect::<Vec<_>>().join(". ");
        text.push_str(&row(&[&code(&key.name), &shown, &joined]));
    }
    text + "\n"
}

#[test]
fn configuration() {
    let raw: Raw = toml::from_str(NAMED).unwrap();
    let (defaults, required) = (Value::try_from(&raw).unwrap(), toml::from_str(NAMED).unwrap());
    let (preamble, sections) = sections();
    assert!(sections.len() > 10, "the example was read");
    let mut text = format!("{BEFORE}{}\n\n", paragraph(&preamble[1..]));
    for one in &sections {
        text.push_str(&section(one, &defaults, &required));
    }
    same_as_page("configuration.md", &text);
}

/// A default that the page shows is a value that the file accepts: the page's own reading is held against the code's.
#[test]
fn what_is_shown_as_default_is_the_codes() {
    let raw: Raw = toml::from_str(NAMED).unwrap();
    let defaults = Value::try_from(&raw).unwrap();
    assert_eq!(default(&defaults, "poll", "interval").as_deref(), Some("\"15s\""));
    assert_eq!(default(&defaults, "connect.NAME", "offsets").as_deref(), Some("\"auto\""));
    assert_eq!(default(&defaults, "connect.NAME", "ca_file"), None);
}
