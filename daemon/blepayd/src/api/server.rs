//! Listens on the Unix socket and answers.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
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
/// Where the path cannot be used, or the group is not known.
pub fn bind(path: &Path, group: Option<&str>) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
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

/// Removes the socket's name, so that nobody waits at it.
pub fn unbind(path: &PathBuf) {
    let _gone_already = std::fs::remove_file(path);
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
