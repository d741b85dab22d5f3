//! The TA behind a socket, as the daemon sees it.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ops_proto::contract::{Answer, Command, TaRefused, TrustedApplication};
use ops_proto::signed::{decode_canonical, encode};
use zeroize::Zeroizing;

use crate::frame;
use crate::limits::{ANSWER_SIZE_MAX, ANSWER_TIME_MAX, FRAME_TIME_MAX};

/// A session with the process `blepay-ta`; each call blocks until the TA has answered.
///
/// After an error the next call connects again. That is a new session: the TA then refuses with
/// [`TaRefused::SessionNotOpen`] until it was asked for `OperationsSince`.
#[derive(Debug)]
pub struct SocketTa {
    path: PathBuf,
    stream: Option<UnixStream>,
}

impl SocketTa {
    /// Connects to the TA's socket.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or this user may not connect.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = Self::open(path)?;

        Ok(Self {
            path: path.to_owned(),
            stream: Some(stream),
        })
    }

    /// Ends the session; the next call begins another.
    pub fn end_session(&mut self) {
        self.stream = None;
    }

    fn open(path: &Path) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.set_write_timeout(Some(FRAME_TIME_MAX))?;

        Ok(stream)
    }
}

impl TrustedApplication for SocketTa {
    type Unreachable = io::Error;

    fn invoke(&mut self, command: Command) -> io::Result<Result<Answer, TaRefused>> {
        // A stream on which something failed is dropped: an answer that comes late would be taken for
        // the next command's.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => Self::open(&self.path)?,
        };
        frame::write(&mut stream, &Zeroizing::new(encode(&command)))?;
        let answer = frame::read(&mut stream, ANSWER_SIZE_MAX)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let answer = decode_canonical(&answer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.stream = Some(stream);

        Ok(answer)
    }
}
