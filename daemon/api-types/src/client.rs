//! The way to the daemon, for the command line and other programs in this workspace.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::OUTCOME_UNKNOWN;
use super::{ErrorBody, Event};

/// Largest answer that is read, in bytes.
pub const ANSWER_SIZE_MAX: usize = 16 * 1024 * 1024;

/// Longest line of server-sent events, in bytes.
pub const EVENT_SIZE_MAX: usize = 256 * 1024;

/// Who may use the socket where the packages made it.
pub const GROUP_DEFAULT: &str = "blepay";

/// A client of one daemon; each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    timeout: Duration,
}

impl Client {
    /// Makes a client for the daemon that listens at `socket`.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            timeout: ANSWER_TIMEOUT,
        }
    }

    /// Gives up on answers after this time instead of [`ANSWER_TIMEOUT`].
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when there is no daemon, or it refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// Has something done.
    ///
    /// # Errors
    ///
    /// As [`Self::get`]; [`ClientError::Lost`] when the answer did not come after the order was sent.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, encode(body)?).await
    }

    /// Sets something.
    ///
    /// # Errors
    ///
    /// As [`Self::post`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::PUT, path, encode(body)?).await
    }

    /// Takes something away.
    ///
    /// # Errors
    ///
    /// As [`Self::post`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::DELETE, path, Bytes::new()).await
    }

    /// Listens to the events at a path until dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let asking = self.send(Method::GET, path, Bytes::new());
        let answered = tokio::time::timeout(self.timeout, asking).await;
        let (response, connection) = match answered {
            Ok(Err(ClientError::Lost(reason))) => return Err(ClientError::Broken(reason)),
            Ok(answered) => answered?,
            Err(_elapsed) => return Err(ClientError::Broken(TOO_LONG.to_owned())),
        };
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }

        Ok(Events {
            body: response.into_body(),
            buffer: Vec::new(),
            _connection: connection,
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let safe = method == Method::GET;
        let answer = async {
            let (response, _connection) = self.send(method, path, body).await?;
            let read = async {
                if !response.status().is_success() {
                    return Err(refusal(response).await);
                }
                let bytes = collect(response).await?;

                serde_json::from_slice(&bytes).map_err(|error| {
                    ClientError::Broken(format!("the answer is not as expected: {error}"))
                })
            };

            // the order was carried out, or not: what cannot be read does not say
            match read.await {
                Err(ClientError::Broken(reason)) if !safe => Err(ClientError::Lost(reason)),
                read => read,
            }
        };
        let outcome = tokio::time::timeout(self.timeout, answer).await;

        match outcome {
            Ok(Err(ClientError::Lost(reason))) if safe => Err(ClientError::Broken(reason)),
            Ok(outcome) => outcome,
            Err(_) if safe => Err(ClientError::Broken(TOO_LONG.to_owned())),
            Err(_) => Err(ClientError::Lost(TOO_LONG.to_owned())),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Response<Incoming>, JoinSet<()>), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| ClientError::connecting(&self.socket, &error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        // The connection's task ends with the set, so with the answer or the events.
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ended_with_the_answer = connection.await;
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "blepay")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| ClientError::Lost(error.to_string()))?;

        Ok((response, driver))
    }
}

const TOO_LONG: &str = "the daemon took too long";

/// How long an answer may take; a sync over a slow network is the longest.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Events as they happen.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
    _connection: JoinSet<()>,
}

impl Events {
    /// Returns the next event, `None` when the daemon has ended. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ClientError::Broken`] when what comes are no events.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            while let Some(line) = self.line() {
                let Some(json) = line.strip_prefix(b"data:") else {
                    continue;
                };
                let event = serde_json::from_slice(json.trim_ascii())
                    .map_err(|error| ClientError::Broken(error.to_string()))?;

                return Ok(Some(event));
            }
            if self.buffer.len() > EVENT_SIZE_MAX {
                return Err(ClientError::Broken("an event is too long".to_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let rest = self.buffer.split_off(end.saturating_add(1));
        let line = std::mem::replace(&mut self.buffer, rest);

        Some(line)
    }
}

/// The daemon did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no blepayd answers at {}: {reason}", socket.display())]
    NoDaemon {
        /// Where it should listen.
        socket: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// This user may not use the socket.
    #[error("you may not use blepayd at {}: only members of the group {group} may", socket.display())]
    NotPermitted {
        /// Where it listens.
        socket: PathBuf,
        /// Who may.
        group: String,
    },
    /// The daemon refused; nothing changed, unless the code says that the outcome is unknown.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// The order was sent and no answer came.
    #[error("the daemon did not answer: {0}")]
    Lost(String),
    /// A call that changes nothing got an answer that cannot be used.
    #[error("{0}")]
    Broken(String),
}

impl ClientError {
    /// Returns the error as the API would write it.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let (code, hint) = match self {
            Self::Refused(body) => return body.clone(),
            Self::NoDaemon { .. } => (
                "no-daemon",
                "start it: sudo systemctl start blepayd (or give --socket PATH)".to_owned(),
            ),
            Self::NotPermitted { group, .. } => (
                "not-permitted",
                if group == "root" {
                    "run blepay as root, or give the socket a group of its own: [api] group in the daemon's settings".to_owned()
                } else {
                    format!("join it: sudo usermod -aG {group} \"$USER\", then log in again")
                },
            ),
            Self::Lost(_) => (
                OUTCOME_UNKNOWN,
                "do not repeat; ask `blepay status` or `blepay show`".to_owned(),
            ),
            Self::Broken(_) => (
                "broken-answer",
                "see the daemon's log: journalctl -u blepayd".to_owned(),
            ),
        };

        ErrorBody {
            code: code.to_owned(),
            message: self.to_string(),
            hint,
        }
    }

    fn connecting(socket: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Self::NotPermitted {
                socket: socket.to_owned(),
                group: group_of(socket).unwrap_or_else(|| GROUP_DEFAULT.to_owned()),
            };
        }

        Self::NoDaemon {
            socket: socket.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Returns the group of the socket, or of the folder that keeps others out.
fn group_of(socket: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let metadata = std::fs::metadata(socket)
        .or_else(|_| std::fs::metadata(socket.parent().unwrap_or(socket)))
        .ok()?;

    super::access::group_name(metadata.gid())
}

async fn refusal(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    match collect(response).await {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_or_else(|_| unexplained(status), ClientError::Refused),
        Err(error) => error,
    }
}

fn unexplained(status: StatusCode) -> ClientError {
    ClientError::Broken(format!("the daemon answered {status}"))
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), ANSWER_SIZE_MAX);
    let collected = body.collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ClientError::Broken("the answer is too long".to_owned())
        } else {
            ClientError::Lost(error.to_string())
        }
    })?;

    Ok(collected.to_bytes())
}

fn encode(body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| ClientError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_advised_to_join_the_group_of_root() {
        let hint = |group: &str| {
            let refused = ClientError::NotPermitted {
                socket: PathBuf::from("/run/blepay/api.sock"),
                group: group.to_owned(),
            };
            refused.body().hint
        };

        assert!(hint("blepay").contains("usermod -aG blepay"));
        assert!(!hint("root").contains("usermod"), "{}", hint("root"));
    }
}
