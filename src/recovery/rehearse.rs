//! What is asked before the first change of an attempt, so that nothing has to be put back for it: would Connect take the
//! configurations that it is going to be given, the collection its marker, the file of a worker its new value, and the offsets topic a
//! tombstone?

use super::Hands;
use super::edit;
use super::marker::Marker;
use super::record;
use super::still::{NO_TOPIC, is_unambiguous};
use super::walk::{Turn, Walk};
use reqwest::{Method, StatusCode};
use resumeguard_core::recovery::{Attempt, Phase, Step, World};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The connector's own validation connects to MongoDB, and gives up after 10 s by itself (`ConnectionValidator.java` of
/// mongo-kafka).
const VALIDATED: Duration = Duration::from_secs(40);

const CLASS: &str = "connector.class";

/// What `PUT /connector-plugins/CLASS/config/validate` answers.
#[derive(Debug, Deserialize)]
struct Validated {
    configs: Vec<Setting>,
}

#[derive(Debug, Deserialize)]
struct Setting {
    value: Value,
}

#[derive(Debug, Deserialize)]
struct Value {
    name: String,
    #[serde(default)]
    errors: Vec<String>,
}

impl Walk<'_> {
    /// Whether everything that the attempt is going to ask for would be taken; a marker's collection is looked at once more
    /// before the marker is written.
    ///
    /// # Errors
    /// What would be refused, one line.
    pub(super) async fn rehearse(
        &self,
        attempt: &Attempt,
        turn: &Turn,
        hands: &Hands,
        world: &World,
    ) -> Result<(), String> {
        let first = turn.step == Step::Save && turn.phase == Phase::Forward;
        let steps = if first { attempt.plan.steps.as_slice() } else { std::slice::from_ref(&turn.step) };
        if first {
            for config in attempt.plan.configurations(&world.config) {
                validated(hands, attempt, &config).await?;
            }
        }
        for step in steps {
            if let Step::InsertMarker { namespace, fields } = step {
                let marker = Marker::new(&attempt.id, namespace, fields.as_ref())?;
                marker.fits(hands, fields.is_some()).await?;
            } else if *step == Step::StopWorker && turn.phase == Phase::Forward {
                let worker = hands.worker.as_ref().ok_or("its worker's file is not configured any more")?;
                edit::rehearse(worker, self.executor.clock).await?;
            } else if *step == Step::AwaitStill && turn.phase == Phase::Forward {
                let topic = hands.topic.as_ref().ok_or(NO_TOPIC)?;
                is_unambiguous(attempt, &world.offsets)?;
                record::rehearse(topic).await?;
            }
        }
        Ok(())
    }
}

/// Where Connect cannot be asked, the change itself tells.
async fn validated(
    hands: &Hands,
    attempt: &Attempt,
    config: &BTreeMap<String, String>,
) -> Result<(), String> {
    match wrong(hands, config).await {
        Ok(wrong) if wrong.is_empty() => Ok(()),
        // Its words may quote what is configured.
        Ok(wrong) => {
            let keys = wrong.into_iter().collect::<Vec<_>>().join(", ");
            Err(format!(
                "Kafka Connect would refuse a configuration on the way, for {keys}: nothing is changed; look at the connector's settings and at MongoDB"
            ))
        }
        Err(why) => {
            tracing::warn!(connector = %attempt.plan.connector, attempt = %attempt.id, "Kafka Connect could not be asked whether it would take the configurations on the way, so one that it refuses is noticed after the first change: {why}");
            Ok(())
        }
    }
}

/// Keys that Connect has something against.
async fn wrong(hands: &Hands, config: &BTreeMap<String, String>) -> Result<BTreeSet<String>, String> {
    let class = config.get(CLASS).ok_or("it names no connector.class")?;
    let path = ["connector-plugins", class, "config", "validate"];
    let request = hands.connect.request(Method::PUT, &path, None).map_err(|error| error.to_string())?;
    let response = request.timeout(VALIDATED).json(config).send().await;
    let response = response.map_err(|error| error.without_url().to_string())?;
    let status = response.status();
    if status != StatusCode::OK {
        let code = status.as_u16();
        return Err(format!(
            "PUT /connector-plugins/{class}/config/validate was answered {code}; is it allowed?"
        ));
    }
    let validated: Validated =
        response.json().await.map_err(|_| "Connect answered something else".to_owned())?;
    let settings = validated.configs.into_iter().map(|setting| setting.value);
    Ok(settings.filter(|value| !value.errors.is_empty()).map(|value| value.name).collect())
}
