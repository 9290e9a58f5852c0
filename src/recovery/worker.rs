//! A standalone worker that somebody stops and starts: whether it is down, as far as that can be proven from here.
//!
//! Kafka Connect closes its REST interface first when it stops, and writes its file last; when it starts, it opens the one
//! before it reads the other. So neither alone says that nobody writes: nothing may listen, and no process of it may be left.

use super::hooks;
use crate::config;
use reqwest::Url;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// The class that `connect-standalone.sh` starts, of every version.
const CLASS: &str = "org.apache.kafka.connect.cli.ConnectStandalone";
/// The property that names its file.
const FILE: &str = "offset.storage.file.filename";

/// How long a name may take to be resolved, and a port to answer.
const ANSWERS: Duration = Duration::from_secs(5);
/// The processes of this host are listed within this: one may stand on a file system that hangs.
const LISTS: Duration = Duration::from_secs(10);
/// A command line or a properties file that is longer is none.
const LIMIT: u64 = 1 << 20;

/// How a worker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing listens at its address, which is of this host, and no process here is it.
    Down,
    /// It answers, or a process of it is left.
    Up(String),
    /// From here it cannot be told.
    Unknown(String),
}

/// One standalone worker.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its offsets file, and its commands.
    pub(super) configured: config::Worker,
    /// Its REST interface.
    pub(super) url: Url,
}

impl Worker {
    pub(super) fn file(&self) -> &Path {
        &self.configured.file
    }

    /// How it stands now.
    pub(super) async fn standing(&self) -> Standing {
        match self.listens().await {
            Standing::Down => self.processes().await,
            standing @ (Standing::Up(_) | Standing::Unknown(_)) => standing,
        }
    }

    /// Whether it will be seen from here that it is down, as long as it is not.
    ///
    /// # Errors
    /// Why it will not, one line.
    pub(super) async fn is_in_sight(&self) -> Result<(), String> {
        in_sight(self.listens().await, self.processes().await)
    }

    async fn processes(&self) -> Standing {
        let file = self.file().to_owned();
        let listing = tokio::task::spawn_blocking(move || processes(Path::new("/proc"), &file));
        match tokio::time::timeout(LISTS, listing).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => {
                Standing::Unknown("the processes of this host could not be listed in time".to_owned())
            }
        }
    }

    /// Whether anything listens where its REST should.
    pub(super) async fn listens(&self) -> Standing {
        let (Some(host), Some(port)) = (self.url.host_str(), self.url.port_or_known_default()) else {
            return Standing::Unknown(format!("{} names no host", self.url));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let resolved = tokio::time::timeout(ANSWERS, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> = match resolved {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => return Standing::Unknown(format!("{host} cannot be resolved")),
        };
        for address in &addresses {
            if !is_ours(address.ip()) {
                return Standing::Unknown(format!(
                    "{address} is not of this host, and whether a process has ended there cannot be seen from here; run resumeguard beside the worker"
                ));
            }
            match tokio::time::timeout(ANSWERS, TcpStream::connect(address)).await {
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Ok(Ok(_)) => return Standing::Up(format!("something listens at {address}")),
                Ok(Err(error)) => return Standing::Unknown(format!("{address}: {error}")),
                Err(_) => return Standing::Unknown(format!("{address} neither answers nor refuses")),
            }
        }
        if addresses.is_empty() {
            return Standing::Unknown(format!("{host} has no address"));
        }
        Standing::Down
    }

    /// Runs the command that stops or starts it; `None` where a person does.
    pub(super) async fn order(
        &self,
        stop: bool,
        timeout: Duration,
        environment: Vec<(&'static str, String)>,
    ) -> Option<Result<(), String>> {
        let (field, argv) = if stop {
            ("stop_worker", &self.configured.stop)
        } else {
            ("start_worker", &self.configured.start)
        };
        let argv = argv.as_ref()?;
        Some(hooks::run(argv, timeout, environment).await.map_err(|line| format!("{field}: {line}")))
    }
}

/// What listens must be seen as a process as well.
fn in_sight(listens: Standing, processes: Standing) -> Result<(), String> {
    match (listens, processes) {
        (Standing::Unknown(line), _) | (_, Standing::Unknown(line)) => Err(line),
        (Standing::Up(line), Standing::Down) => Err(format!(
            "{line}, and no process here is a standalone worker: if it runs in a container, run resumeguard outside"
        )),
        (Standing::Up(_), Standing::Up(_)) | (Standing::Down, _) => Ok(()),
    }
}

/// An address of this host is one that can be bound.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Whether one of the processes under `proc` is, or may be, the worker that has this file.
fn processes(proc: &Path, file: &Path) -> Standing {
    // Where other users' processes are hidden (hidepid, ProtectProc), the first is too.
    let hidden = "the processes of others are hidden from resumeguard (ProtectProc=, hidepid): run it as root, or with ProtectProc=default";
    if !proc.join("1").exists() {
        return Standing::Unknown(hidden.to_owned());
    }
    let Ok(entries) = std::fs::read_dir(proc) else { return Standing::Unknown(hidden.to_owned()) };
    for entry in entries {
        let Ok(entry) = entry else { return Standing::Unknown(hidden.to_owned()) };
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let line = match read(&entry.path().join("cmdline")) {
            Ok(line) => line,
            // It ended meanwhile.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound) || is_gone(&error) => continue,
            Err(_) => return Standing::Unknown(hidden.to_owned()),
        };
        let arguments: Vec<String> =
            line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let Some(at) = arguments.iter().position(|argument| argument == CLASS) else { continue };
        let properties = arguments.get(at + 1).map(String::as_str).unwrap_or_default();
        if may_be(&entry.path(), properties, file) {
            return Standing::Up(format!("process {pid} is left of it, or may be"));
        }
    }
    Standing::Down
}

/// `ESRCH`: a process that ended between its listing and the reading of its command line.
fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(3)
}

/// Unless its properties are read and name another file, a worker may have ours.
fn may_be(process: &Path, properties: &str, file: &Path) -> bool {
    let root = process.join("root");
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
    let Ok(text) = read(&inside(&folder.join(properties))) else { return true };
    let Some(named) = named_file(&String::from_utf8_lossy(&text)) else { return true };
    let theirs = std::fs::metadata(inside(&folder.join(&named)));
    match (theirs, std::fs::metadata(file)) {
        (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()),
        _ => true,
    }
}

/// The last of its lines counts, as in Java. An escape is not read: then nobody knows.
fn named_file(properties: &str) -> Option<PathBuf> {
    let mut values = properties.lines().filter_map(|line| {
        let value = line.trim_start().strip_prefix(FILE)?.trim_start();
        Some(value.strip_prefix(['=', ':']).unwrap_or(value).trim().to_owned())
    });
    values.next_back().filter(|value| !value.is_empty() && !value.contains('\\')).map(PathBuf::from)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as `/proc` has them, for one process beside the first.
    struct Proc(tempfile::TempDir);

    impl Proc {
        fn new(cmdline: &str, properties: Option<&str>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let process = folder.path().join("77");
            std::fs::create_dir_all(folder.path().join("1")).unwrap();
            std::fs::write(folder.path().join("1/cmdline"), "init\0").unwrap();
            std::fs::create_dir_all(process.join("root/etc")).unwrap();
            std::os::unix::fs::symlink("/etc", process.join("cwd")).unwrap();
            std::fs::write(process.join("cmdline"), cmdline.replace(' ', "\0")).unwrap();
            if let Some(properties) = properties {
                std::fs::write(process.join("root/etc/w.properties"), properties).unwrap();
            }
            std::fs::write(process.join("root/etc/ours"), "x").unwrap();
            std::fs::write(process.join("root/etc/other"), "x").unwrap();
            Self(folder)
        }

        fn standing(&self) -> Standing {
            processes(self.0.path(), &self.0.path().join("77/root/etc/ours"))
        }

        fn is_up(&self) -> bool {
            matches!(self.standing(), Standing::Up(line) if line.contains("77"))
        }
    }

    const WORKER: &str =
        "java -cp x org.apache.kafka.connect.cli.ConnectStandalone w.properties c.properties";

    #[test]
    fn a_worker_with_our_file_is_up_and_one_with_another_is_none_of_ours() {
        assert!(Proc::new(WORKER, Some("a=b\noffset.storage.file.filename=ours\n")).is_up());
        assert!(Proc::new(WORKER, Some("offset.storage.file.filename = /etc/ours")).is_up());
        let other =
            Proc::new(WORKER, Some("offset.storage.file.filename=ours\noffset.storage.file.filename: other"));
        assert_eq!(other.standing(), Standing::Down, "the last one counts");
        assert_eq!(Proc::new("java kafka.Kafka x", None).standing(), Standing::Down);
    }

    #[test]
    fn one_whose_file_cannot_be_told_may_have_ours() {
        assert!(Proc::new(WORKER, None).is_up());
        assert!(Proc::new(WORKER, Some("group.id=x")).is_up());
        assert!(Proc::new(WORKER, Some("offset.storage.file.filename=/etc/\\u006Fther")).is_up());
        assert!(Proc::new(WORKER, Some("offset.storage.file.filename=/gone")).is_up());
    }

    #[test]
    fn what_listens_and_cannot_be_seen_would_not_be_seen_to_be_down() {
        let (up, unknown) = (|| Standing::Up("x".to_owned()), || Standing::Unknown("hidden".to_owned()));
        assert!(in_sight(up(), Standing::Down).unwrap_err().contains("container"));
        assert_eq!(in_sight(up(), unknown()), Err("hidden".to_owned()));
        assert_eq!(in_sight(unknown(), up()), Err("hidden".to_owned()));
        assert_eq!((in_sight(up(), up()), in_sight(Standing::Down, Standing::Down)), (Ok(()), Ok(())));
    }

    #[test]
    fn where_processes_are_hidden_nobody_knows() {
        let proc = Proc::new(WORKER, Some("offset.storage.file.filename=other"));
        std::fs::remove_dir_all(proc.0.path().join("1")).unwrap();
        assert!(matches!(proc.standing(), Standing::Unknown(line) if line.contains("hidden")));
    }

    #[tokio::test]
    async fn what_listens_is_up_and_what_is_elsewhere_is_not_known() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = |host: &str, port: u16| Worker {
            configured: config::Worker { file: "/x".into(), always: false, stop: None, start: None },
            url: Url::parse(&format!("http://{host}:{port}/")).unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        assert!(matches!(at("127.0.0.1", port).listens().await, Standing::Up(_)));
        assert!(
            matches!(at("192.0.2.1", port).listens().await, Standing::Unknown(line) if line.contains("this host"))
        );
        drop(listener);
        assert_eq!(at("127.0.0.1", port).listens().await, Standing::Down);
    }
}
