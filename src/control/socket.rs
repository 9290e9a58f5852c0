//! `STATE/control.sock`: who may connect is who may open the file, and the kernel says who it is.

use super::Peer;
use super::who::by_kernel;
use axum::Router;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// Its name.
pub const FILE: &str = "control.sock";

/// A living daemon accepts at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error("{0}: another resumeguard answers there; one process acts in a directory")]
    Taken(String),
    /// Something that was not made by us.
    #[error("{0} is no socket; remove it")]
    Foreign(String),
    /// Longer than Linux takes.
    #[error("{0}: too long for a socket (107 bytes); set a shorter recovery.directory")]
    TooLong(String),
    /// The system refuses it.
    #[error("{path}: {cause}")]
    System {
        /// Where.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

/// The control socket of this process; its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: Removed,
}

#[derive(Debug)]
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What a kill leaves behind is replaced by the next process.
        std::fs::remove_file(&self.0).ok();
    }
}

impl Socket {
    /// Makes it, in place of one that a dead process has left. Only this user and root may connect, at no time anybody else.
    ///
    /// # Errors
    /// Where another process answers there, or the directory cannot be written.
    pub async fn bind(directory: &Path) -> Result<Self, SocketError> {
        let path = directory.join(FILE);
        let shown = path.display().to_string();
        if let Ok(metadata) = std::fs::symlink_metadata(&path) {
            if !metadata.file_type().is_socket() {
                return Err(SocketError::Foreign(shown));
            }
            if answers(&path).await {
                return Err(SocketError::Taken(shown));
            }
        }
        let listener = bind_closed(directory, &path);
        let listener = listener.map_err(|cause| {
            if cause.kind() == ErrorKind::InvalidInput {
                SocketError::TooLong(shown)
            } else {
                SocketError::System { path: shown, cause }
            }
        })?;
        Ok(Self { listener, file: Removed(path) })
    }

    /// Answers until it is dropped.
    ///
    /// # Errors
    /// Where it ends by itself.
    pub async fn serve(self, router: Router) -> std::io::Result<()> {
        let Self { listener, file: _until_the_end } = self;
        let router = router.layer(axum::middleware::from_fn(by_kernel));
        let service = router.into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, service).await
    }
}

/// Whether somebody listens there. Whoever does not answer in time is taken to be alive.
async fn answers(path: &Path) -> bool {
    match tokio::time::timeout(PATIENCE, UnixStream::connect(path)).await {
        Ok(Err(error)) => !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
        Ok(Ok(_)) | Err(_) => true,
    }
}

/// Made in a directory that nobody else may enter, then moved: the file is never there with wider permissions, and never not
/// there.
fn bind_closed(directory: &Path, path: &Path) -> std::io::Result<UnixListener> {
    let closed = directory.join(format!(".{}", std::process::id()));
    let inside = closed.join("s");
    let clear = || {
        std::fs::remove_file(&inside).ok();
        std::fs::remove_dir(&closed).ok();
    };
    // A process of the same number may have been killed here.
    clear();
    std::fs::DirBuilder::new().mode(0o700).create(&closed)?;
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&inside, path)?;
        Ok(listener)
    });
    clear();
    bound
}
