//! Listens on the Unix socket and answers.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::access::group_number;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tower::limit::GlobalConcurrencyLimitLayer;

use super::routes;
use super::state::ApiState;

/// Largest body that is read, in bytes.
pub const BODY_SIZE_MAX: usize = 256 * 1024;

/// Requests that are answered at once; others wait.
pub const REQUESTS_MAX: usize = 64;

/// Makes the socket, for root, this user and one group: the daemon's own unless `group` names another.
///
/// # Errors
///
/// Where the path cannot be used: something else lies there, or another program answers; or the group is not known.
pub fn bind(path: &Path, group: Option<&str>) -> io::Result<UnixListener> {
    clear(path)?;
    let listener = UnixListener::bind(path)?;
    if let Some(name) = group {
        let number = group_number(name).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no group {name:?}"),
            )
        })?;
        std::os::unix::fs::chown(path, None, Some(number))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;

    Ok(listener)
}

/// Answers until `stop`, then finishes what is under way.
///
/// # Errors
///
/// When the socket breaks.
pub async fn serve(
    listener: UnixListener,
    state: Arc<ApiState>,
    stop: CancellationToken,
) -> io::Result<()> {
    let app = Router::new()
        .merge(routes::all())
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::unknown_method)
        .layer(from_fn(log_peer))
        .layer(DefaultBodyLimit::max(BODY_SIZE_MAX))
        .layer(GlobalConcurrencyLimitLayer::new(REQUESTS_MAX))
        .with_state(state);
    let service = app.into_make_service_with_connect_info::<ApiPeer>();

    axum::serve(listener, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Removes a socket at which nobody answers, and nothing else.
fn clear(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let taken = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !found.file_type().is_socket() {
        return taken("there is something at this path that is no socket; it is left as it is");
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_answers) => taken("another program listens there; give this one another [api] socket"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

/// The name of a socket that this process made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketName {
    path: PathBuf,
    file: (u64, u64),
}

impl SocketName {
    /// Remembers which file the name stands for.
    ///
    /// # Errors
    ///
    /// Where nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;

        Ok(Self {
            path: path.to_owned(),
            file: (found.dev(), found.ino()),
        })
    }

    /// Removes the name, so that nobody waits at it; one that stands for another file by now is left.
    pub fn remove(&self) {
        if Self::of(&self.path).is_ok_and(|found| found == *self) {
            let _gone_already = std::fs::remove_file(&self.path);
        }
    }
}

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ApiPeer {
    uid: Option<u32>,
    pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for ApiPeer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let stream: &UnixStream = stream.io();
        stream.peer_cred().map_or_else(
            |_unknown| Self::default(),
            |credentials| Self {
                uid: Some(credentials.uid()),
                pid: credentials.pid(),
            },
        )
    }
}

/// Logs which user and process sent a request. Access is enforced by the socket's file mode.
async fn log_peer(
    ConnectInfo(peer): ConnectInfo<ApiPeer>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, uid = peer.uid, pid = peer.pid, "Answered");

    response
}

const SOCKET_MODE: u32 = 0o660;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_with_something_else_is_left_and_a_socket_that_answers_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("api.sock");
        std::fs::write(&path, "precious").expect("written");

        let precious = bind(&path, None).expect_err("a file");
        assert!(precious.to_string().contains("no socket"), "{precious}");
        assert_eq!(std::fs::read(&path).expect("there"), b"precious");
        std::fs::remove_file(&path).expect("removed");

        let first = bind(&path, None).expect("bound");
        let taken = bind(&path, None).expect_err("it answers");
        assert!(
            taken.to_string().contains("another program listens"),
            "{taken}"
        );
        drop(first);
        let _second = bind(&path, None).expect("nobody answers any more");
    }

    #[tokio::test]
    async fn only_the_socket_that_one_made_is_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("api.sock");
        let first = bind(&path, None).expect("bound");
        let name = SocketName::of(&path).expect("there");
        drop(first);
        // both exist at once, so the two are not one file
        std::fs::rename(&path, dir.path().join("before")).expect("moved");
        let _second = bind(&path, None).expect("bound");

        name.remove();
        assert!(path.exists(), "it is another one's");
        SocketName::of(&path).expect("there").remove();
        assert!(!path.exists());
    }
}
