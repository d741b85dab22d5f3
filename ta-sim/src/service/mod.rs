//! The TA as a process of its own: one session per connection, one connection at a time, in turn.

mod access;
mod timed;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use ops_proto::contract::{Answer, Command, TaRefused, TrustedApplication as _};
use ops_proto::signed::{decode_canonical, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::entropy::Entropy;
use crate::frame;
use crate::limits::{COMMAND_SIZE_MAX, FRAME_TIME_MAX};
use crate::storage::Storage;
use crate::ta::{Stopped, Ta};

pub use access::{Access, UserUnknown};
use timed::Timed;

/// Serves a TA on a socket.
#[derive(Debug)]
pub struct Service<S, E> {
    ta: Ta<S, E>,
    listener: UnixListener,
    access: Access,
    stop: UnixStream,
}

/// How often to show that the service is alive, and how.
pub struct Heartbeat<'a> {
    /// The longest time between two calls.
    pub interval: Duration,
    /// What is called.
    pub beat: &'a mut dyn FnMut(),
}

impl core::fmt::Debug for Heartbeat<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Heartbeat")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl<S: Storage, E: Entropy> Service<S, E> {
    /// Takes what the service runs on. The first byte that comes on `stop`, or its end, stops it.
    ///
    /// # Errors
    ///
    /// When the listener cannot be made non-blocking.
    pub fn new(
        ta: Ta<S, E>,
        listener: UnixListener,
        access: Access,
        stop: UnixStream,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;

        Ok(Self {
            ta,
            listener,
            access,
            stop,
        })
    }

    /// Serves until it is told to stop; a command that has begun is answered first.
    ///
    /// # Errors
    ///
    /// [`Failed::Stopped`] when the TA could not store its state: the process must then end. And
    /// [`Failed::Socket`] when the listener is gone.
    pub fn serve(&mut self, heartbeat: &mut Heartbeat<'_>) -> Result<(), Failed> {
        loop {
            match self.wait(self.listener.as_fd(), heartbeat)? {
                Woken::Stop => return Ok(()),
                Woken::Ready => {}
            }
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                // It went away again before its turn.
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(Failed::Socket(error)),
            };
            if !self.is_allowed(&stream)? {
                continue;
            }
            self.ta.begin_session();
            match self.converse(&stream, heartbeat)? {
                Woken::Stop => return Ok(()),
                Woken::Ready => tracing::debug!("Ended session"),
            }
        }
    }

    /// Answers one peer until it ends, fails, or the service is told to stop.
    fn converse(
        &mut self,
        stream: &UnixStream,
        heartbeat: &mut Heartbeat<'_>,
    ) -> Result<Woken, Failed> {
        loop {
            match self.wait(stream.as_fd(), heartbeat)? {
                Woken::Stop => return Ok(Woken::Stop),
                Woken::Ready => {}
            }
            let mut timed = Timed::new(stream, FRAME_TIME_MAX);
            let command = match frame::read(&mut timed, COMMAND_SIZE_MAX) {
                Ok(Some(command)) => command,
                Ok(None) => return Ok(Woken::Ready),
                Err(error) => return Ok(gave_up(&error)),
            };
            let answer = self.answer(&command)?;
            let mut timed = Timed::new(stream, FRAME_TIME_MAX);
            if let Err(error) = frame::write(&mut timed, &encode(&answer)) {
                return Ok(gave_up(&error));
            }
        }
    }

    fn answer(&mut self, command: &[u8]) -> Result<Result<Answer, TaRefused>, Stopped> {
        match decode_canonical::<Command>(command) {
            Ok(command) => self.ta.invoke(command),
            Err(_) => Ok(Err(TaRefused::Malformed)),
        }
    }

    fn is_allowed(&self, stream: &UnixStream) -> Result<bool, Failed> {
        let peer = rustix::net::sockopt::socket_peercred(stream)
            .map_err(|error| Failed::Socket(error.into()))?;
        let uid = peer.uid.as_raw();
        let is_allowed = self.access.allows(uid);
        if !is_allowed {
            tracing::warn!(uid, "Refused a peer that may not use the TA");
        }

        Ok(is_allowed)
    }

    /// Waits for a stop or for input, and shows meanwhile that the service is alive.
    fn wait(
        &self,
        input: std::os::fd::BorrowedFd<'_>,
        heartbeat: &mut Heartbeat<'_>,
    ) -> Result<Woken, Failed> {
        let timeout = Timespec::try_from(heartbeat.interval)
            .map_err(|_| Failed::Socket(io::ErrorKind::InvalidInput.into()))?;
        loop {
            (heartbeat.beat)();
            let mut descriptors = [
                PollFd::new(&self.stop, PollFlags::IN),
                PollFd::from_borrowed_fd(input, PollFlags::IN),
            ];
            match poll(&mut descriptors, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Failed::Socket(error.into())),
            }
            let [stop, input] = descriptors.map(|descriptor| !descriptor.revents().is_empty());
            if stop {
                return Ok(Woken::Stop);
            }
            if input {
                return Ok(Woken::Ready);
            }
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Stop,
    Ready,
}

/// Why a service ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The TA could not store its state.
    #[error("the TA ended")]
    Stopped(#[from] Stopped),
    /// The listening socket is of no use any more.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

fn gave_up(error: &io::Error) -> Woken {
    tracing::info!(%error, "Gave up a session in the middle of a frame");

    Woken::Ready
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};

    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}
