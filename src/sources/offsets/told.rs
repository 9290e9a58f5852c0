//! Where a connector's positions were read, and why there, in words.

use super::{Offsets, Origin, Reading};
use crate::sources::connect::Listed;
use resumeguard_core::domain::{OffsetsFrom, Why};
use resumeguard_core::recovery::Capabilities;

impl Offsets {
    /// `topic connect-offsets (Connect 3.4.1 has no endpoint for offsets)`; `version` is the worker's.
    #[must_use]
    pub(in crate::sources) fn told(
        &self,
        listed: &Listed,
        reading: &Reading,
        version: Option<&str>,
    ) -> String {
        let place = self.origins.iter().find(|origin| origin.from() == reading.from);
        let place = place.map_or_else(|| reading.from.code().to_owned(), |origin| origin.named(listed));
        format!("{place} ({})", self.because(listed, reading.from, version))
    }

    fn because(&self, listed: &Listed, from: OffsetsFrom, version: Option<&str>) -> String {
        let connect = version.map_or_else(|| "Connect".to_owned(), |version| format!("Connect {version}"));
        let refused = self.origins.iter().take_while(|origin| origin.from() != from).last();
        if let Some(first) = refused {
            return format!("the {} does not tell: {}", first.from().code(), first.refusal(listed));
        }
        // Before 3.5; of a version that nobody knows, nothing is said.
        let tells = version.is_none_or(|version| Capabilities::of(version).stop);
        match (from, self.origins.len()) {
            (OffsetsFrom::Rest, _) => {
                format!("{connect}; no topic and no file is configured, or offsets = \"rest\"")
            }
            _ if !tells => format!("{connect} has no endpoint for offsets"),
            (from, 1) => format!("offsets = \"{}\"", from.code()),
            _ => "it is configured, and costs Kafka Connect nothing".to_owned(),
        }
    }
}

impl Origin {
    fn named(&self, listed: &Listed) -> String {
        match self {
            Self::Rest(_) => "REST".to_owned(),
            Self::File(file) => format!("file {}", file.path().display()),
            Self::Topic(topic) => {
                let own = listed.config.get("offsets.storage.topic").map(|own| own.trim());
                match own.filter(|own| !own.is_empty()) {
                    Some(own) => format!("topic {own} of its own, over {}", topic.name),
                    None => format!("topic {}", topic.name),
                }
            }
        }
    }

    /// Why it was not this one.
    fn refusal(&self, listed: &Listed) -> String {
        // What keeps this connector's may be another thing than what goes wrong with others'.
        let of_it = self.readings().refusals.get(&listed.name).filter(|why| **why != Why::NotReadYet);
        let of_it = of_it.map(|why| why.sentence().to_owned());
        of_it.or_else(|| self.meter().error.clone()).unwrap_or_else(|| "it has nothing newer".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};
    use crate::sources::connect::Client;
    use resumeguard_core::domain::ConnectorState;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const KAFKA: &str = "kafka_bootstrap_servers = \"127.0.0.1:9\"\noffsets_topic = \"connect-offsets\"\n";

    fn offsets(of_it: &str) -> Offsets {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, format!("[connect.main]\nurl = \"http://127.0.0.1:9\"\n{of_it}")).unwrap();
        let config = load(&Sources { files: vec![path], ..Sources::default() }).unwrap().1;
        let cluster = &config.connect[0];
        Offsets::new(cluster, &config.poll, &Client::new(cluster).unwrap())
    }

    fn listed(own: &[(&str, &str)]) -> Listed {
        let config: BTreeMap<_, _> =
            own.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let (name, class, state) = ("orders".to_owned(), String::new(), ConnectorState::Running);
        Listed { name, class, version: None, state, failure: None, tasks: vec![], config }
    }

    #[test]
    fn the_place_is_named_and_why_it_is_that_one() {
        let told = |offsets: &Offsets, from, version, own: &[(&str, &str)]| {
            let reading = Reading { at: Duration::ZERO, from, entries: vec![] };
            offsets.told(&listed(own), &reading, version)
        };
        use OffsetsFrom::{File, Rest, Topic};
        let auto = offsets(KAFKA);
        assert_eq!(
            told(&auto, Topic, Some("3.4.1"), &[]),
            "topic connect-offsets (Connect 3.4.1 has no endpoint for offsets)"
        );
        assert_eq!(
            told(&auto, Topic, Some("4.1.0"), &[("offsets.storage.topic", "own")]),
            "topic own of its own, over connect-offsets (it is configured, and costs Kafka Connect nothing)"
        );
        assert_eq!(
            told(&auto, Rest, Some("4.1.0"), &[]),
            "REST (the topic does not tell: it has nothing newer)"
        );
        let mut refused = offsets(KAFKA);
        if let Origin::Topic(topic) = &mut refused.origins[0] {
            topic.readings.refuse("orders", Why::NotReadYet);
            topic.meter.error = Some("replaying: 40 %".to_owned());
        }
        assert_eq!(told(&refused, Rest, None, &[]), "REST (the topic does not tell: replaying: 40 %)");
        // Its own reason, not what is wrong with another connector's topic.
        if let Origin::Topic(topic) = &mut refused.origins[0] {
            topic.readings.refuse("orders", Why::KeyAmbiguous);
            topic.meter.error = Some("billing keeps its offsets on b2:9092".to_owned());
        }
        let said = told(&refused, Rest, None, &[]);
        assert!(said.contains(Why::KeyAmbiguous.sentence()) && !said.contains("billing"), "{said}");
        assert_eq!(
            told(&offsets(""), Rest, Some("4.1.0"), &[]),
            "REST (Connect 4.1.0; no topic and no file is configured, or offsets = \"rest\")"
        );
        let topic = offsets(&format!("offsets = \"topic\"\n{KAFKA}"));
        assert_eq!(told(&topic, Topic, Some("4.1.0"), &[]), "topic connect-offsets (offsets = \"topic\")");
        let file = offsets("offsets_file = \"/var/lib/offsets\"\n");
        assert_eq!(
            told(&file, File, None, &[]),
            "file /var/lib/offsets (it is configured, and costs Kafka Connect nothing)"
        );
    }
}
