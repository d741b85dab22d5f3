//! Why a command ends without success, and with which exit code.

use std::process::ExitCode;

use api_types::client::ClientError;
use api_types::{ErrorBody, MALFORMED, OUTCOME_UNKNOWN};

/// The exit codes; `help::EXIT_CODES` tells them to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing has moved.
    Refused,
    /// The command line is wrong.
    Usage,
    /// There is no way to the daemon.
    NoDaemon,
    /// Ask, do not repeat.
    OutcomeUnknown,
    /// Nobody came in time; nothing has moved.
    Nobody,
    /// The person said no.
    Declined,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Refused => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::NoDaemon => Self::from(3),
            Exit::OutcomeUnknown => Self::from(4),
            Exit::Nobody => Self::from(5),
            Exit::Declined => Self::from(6),
        }
    }
}

/// A command's end without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub body: ErrorBody,
    /// Programs have read it already, in what the command wrote.
    pub is_told: bool,
}

impl Failure {
    pub fn new(exit: Exit, code: &str, message: impl ToString, hint: impl ToString) -> Self {
        Self {
            exit,
            body: ErrorBody {
                code: code.to_owned(),
                message: message.to_string(),
                hint: hint.to_string(),
            },
            is_told: false,
        }
    }

    /// Leaves it to the exit code and to people: what the command wrote says the same to programs.
    #[must_use]
    pub const fn for_people_alone(mut self) -> Self {
        self.is_told = true;
        self
    }

    pub fn usage(message: impl ToString, hint: impl ToString) -> Self {
        Self::new(Exit::Usage, "usage", message, hint)
    }

    pub fn refused(code: &str, message: impl ToString, hint: impl ToString) -> Self {
        Self::new(Exit::Refused, code, message, hint)
    }

    /// Tells what is left to know when a command fails by accident after its order was carried out: not that nothing moved.
    #[must_use]
    pub fn after_act(self, ask: &str) -> Self {
        if !ACCIDENTS.contains(&self.body.code.as_str()) {
            return self;
        }
        let message = format!("the order was given, and then: {}", self.body.message);

        Self::new(Exit::OutcomeUnknown, OUTCOME_UNKNOWN, message, ask)
    }

    pub fn nobody(message: impl ToString, hint: impl ToString) -> Self {
        Self::new(Exit::Nobody, "nobody", message, hint)
    }
}

/// Codes of what nobody decided: no way to the daemon, an answer that cannot be read, an output that cannot be written.
const ACCIDENTS: [&str; 4] = ["no-daemon", "not-permitted", "broken-answer", IO];

/// The code of a memo that cannot be shown.
const MEMO: &str = "memo";

/// The code of what the system refuses this program.
const IO: &str = "io";

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let body = error.body();
        let exit = match &error {
            ClientError::NoDaemon { .. } | ClientError::NotPermitted { .. } => Exit::NoDaemon,
            ClientError::Lost(_) => Exit::OutcomeUnknown,
            ClientError::Refused(body) if body.code == OUTCOME_UNKNOWN => Exit::OutcomeUnknown,
            ClientError::Refused(body) if body.code == "not-permitted" => Exit::NoDaemon,
            ClientError::Refused(body) if [MALFORMED, MEMO].contains(&body.code.as_str()) => {
                Exit::Usage
            }
            ClientError::Refused(_) | ClientError::Broken(_) => Exit::Refused,
        };

        Self {
            exit,
            body,
            is_told: false,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::refused(IO, error, "free some space, or write elsewhere")
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_breaks_after_an_order_was_given_is_never_told_as_nothing_moved() {
        let accidents = [
            Failure::from(std::io::Error::other("No space left on device")),
            ClientError::Broken("an event is too long".to_owned()).into(),
            ClientError::NoDaemon {
                socket: PathBuf::from("/run/blepay/api.sock"),
                reason: "Connection refused".to_owned(),
            }
            .into(),
        ];
        for accident in accidents {
            let what = accident.body.message.clone();
            let after = accident.after_act("blepay history");

            assert_eq!(after.exit, Exit::OutcomeUnknown, "{what}");
            assert_eq!(after.body.code, OUTCOME_UNKNOWN);
            assert!(after.body.message.contains(&what), "{after:?}");
            assert_eq!(after.body.hint, "blepay history");
        }
    }

    #[test]
    fn a_refusal_stays_one_whatever_was_done_before() {
        let refused = Failure::refused("not-paid", "nothing was paid", "pay again");

        assert_eq!(refused.clone().after_act("blepay history"), refused);
    }
}
