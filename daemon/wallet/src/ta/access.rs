//! A TA behind one type, in process or behind a socket.

use std::fmt;

use ops_proto::contract::{Answer, Command, TaRefused, TrustedApplication};

/// A TA of any kind, to be kept on one thread.
pub trait AnyTa: Send {
    /// As [`TrustedApplication::invoke`].
    ///
    /// # Errors
    ///
    /// The outer error when there was no answer.
    fn invoke_any(&mut self, command: Command) -> Result<Result<Answer, TaRefused>, TaUnreachable>;
}

impl<T: TrustedApplication + Send> AnyTa for T {
    fn invoke_any(&mut self, command: Command) -> Result<Result<Answer, TaRefused>, TaUnreachable> {
        self.invoke(command)
            .map_err(|error| TaUnreachable(error.to_string()))
    }
}

/// Opens a session with the TA, again and again as sessions break.
pub struct TaConnector(Box<ConnectFn>);

type ConnectFn = dyn FnMut() -> Result<Box<dyn AnyTa>, TaUnreachable> + Send;

impl TaConnector {
    /// Takes what opens a session: for `ta-sim` in process, or over its socket.
    pub fn new(
        connect: impl FnMut() -> Result<Box<dyn AnyTa>, TaUnreachable> + Send + 'static,
    ) -> Self {
        Self(Box::new(connect))
    }

    pub(super) fn connect(&mut self) -> Result<Box<dyn AnyTa>, TaUnreachable> {
        (self.0)()
    }
}

impl fmt::Debug for TaConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaConnector")
    }
}

/// The TA did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TaUnreachable(pub String);
