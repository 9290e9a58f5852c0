//! What is set on the topic itself: kept with it, put back where it is made anew, and told where it is not what it was.

use super::{ANSWERS, WholeTopic, coded};
use rdkafka::admin::{AdminOptions, ConfigResource, ConfigSource, ResourceSpecifier};
use std::collections::BTreeMap;

const POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

impl WholeTopic {
    /// Whether it is compacted, as Connect needs it; `None` where that may not be asked.
    pub async fn is_compacted(&self) -> Option<bool> {
        let resource = self.described().await.ok()?;
        Some(resource.get(POLICY)?.value.as_deref() == Some(COMPACT))
    }

    /// What is set on the topic itself, and is not the brokers' default.
    ///
    /// # Errors
    /// One line with what to do.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>, String> {
        let entries = self.described().await?.entries.into_iter();
        let own = entries.filter(|entry| entry.source == ConfigSource::DynamicTopic && !entry.is_sensitive);
        Ok(own.filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    async fn described(&self) -> Result<ConfigResource, String> {
        let (what, right) = ("its settings could not be read", "DescribeConfigs on the topic");
        let admin = self.admin()?;
        let wanted = [ResourceSpecifier::Topic(self.name())];
        let asked = admin.describe_configs(&wanted, &AdminOptions::new().request_timeout(Some(ANSWERS)));
        let found = asked.await.map_err(|error| self.words(what, right, &error))?;
        let first = found.into_iter().next().ok_or_else(|| format!("`{}`: {what}", self.name()))?;
        let found = first.map_err(|code| coded(self.name(), what, right, code))?;
        // The client library keeps the refusal to itself: where they may not be read there are none, and a topic that is there has dozens.
        if found.entries.is_empty() {
            return Err(format!("`{}`: {what}: grant {right}", self.name()));
        }
        Ok(found)
    }
}

/// What a topic is made with: Connect needs it compacted, whatever it was.
pub(super) fn made_with(settings: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
    let own = settings.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    own.chain([(POLICY, COMPACT)]).collect()
}

/// Settings that a topic had and has not, `KEY=VALUE` each, as `kafka-configs.sh --alter --add-config` takes them. Never its policy: a topic
/// that is not compacted only is often why it was deleted, and [`was_cleaned_by`] tells it.
#[must_use]
pub fn lacking(had: &BTreeMap<String, String>, has: &BTreeMap<String, String>) -> Vec<String> {
    let lacks = had.iter().filter(|(key, value)| *key != POLICY && has.get(*key) != Some(value));
    // A value with commas is a list, which that command wants in brackets.
    let shown = |value: &String| if value.contains(',') { format!("[{value}]") } else { value.clone() };
    lacks.map(|(key, value)| format!("{key}={}", shown(value))).collect()
}

/// The policy that was set on a topic, where it was another than Connect needs.
#[must_use]
pub fn was_cleaned_by(had: &BTreeMap<String, String>) -> Option<&str> {
    had.get(POLICY).map(String::as_str).filter(|policy| *policy != COMPACT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_made_with_what_it_had_and_compacted_and_what_it_lacks_is_told_but_for_that() {
        let settings = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let had = settings(&[("cleanup.policy", "compact,delete"), ("segment.bytes", "1048576")]);
        let compact = ("cleanup.policy", "compact");
        assert_eq!(made_with(Some(&had)), BTreeMap::from([compact, ("segment.bytes", "1048576")]));
        assert_eq!(made_with(None), BTreeMap::from([compact]));
        assert_eq!(lacking(&had, &had), [""; 0]);
        let now = settings(&[compact, ("min.insync.replicas", "1")]);
        assert_eq!(lacking(&had, &now), ["segment.bytes=1048576"], "it stays compacted");
        assert_eq!(was_cleaned_by(&had), Some("compact,delete"));
        assert_eq!(was_cleaned_by(&settings(&[("cleanup.policy", "delete")])), Some("delete"));
        assert_eq!((was_cleaned_by(&now), was_cleaned_by(&settings(&[]))), (None, None));
        let lists = settings(&[("leader.replication.throttled.replicas", "0:1,1:1")]);
        assert_eq!(lacking(&lists, &now), ["leader.replication.throttled.replicas=[0:1,1:1]"]);
    }
}
