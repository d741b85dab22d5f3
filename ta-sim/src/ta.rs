//! The TA: one command at a time, each durable before it is answered.

use std::io;

use ops_proto::contract::{Answer, Command, Output, TaRefused, TrustedApplication};
use zeroize::Zeroizing;

use crate::command::{Fresh, Step, TaSession, Tried, dispatch};
use crate::entropy::Entropy;
use crate::state::{SALT_SIZE, State};
use crate::storage::{Damaged, LoadFailed, NONCE_SIZE, NotCommitted, Slots, Storage};
use crate::transcript;

/// A trusted application in this process.
///
/// Whoever opens it has begun a session, in which `OperationsSince` must come before any other command
/// but `Inspect`. When [`TrustedApplication::invoke`] fails, whether the command took effect is unknown
/// and this TA answers nothing any more: open the storage again.
#[derive(Debug)]
pub struct Ta<S, E> {
    slots: Slots<S>,
    entropy: E,
    state: State,
    session: TaSession,
    health: Health,
}

/// Whether the state in memory is known to be the one on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    Stopped,
}

impl<S: Storage, E: Entropy> Ta<S, E> {
    /// Loads the newest state that is whole, or a new one from an empty storage.
    ///
    /// # Errors
    ///
    /// [`TaNotOpened`] when the slots cannot be read, neither opens, or neither is the state that the TPM
    /// committed to.
    pub fn open(storage: S, entropy: E) -> Result<Self, TaNotOpened> {
        let (slots, state) = Slots::load(storage)?;

        Ok(Self {
            slots,
            entropy,
            state: state.unwrap_or_else(State::new),
            session: TaSession::Closed,
            health: Health::Sound,
        })
    }

    /// Ends the session and begins the next one, in which `OperationsSince` must come first again.
    pub const fn begin_session(&mut self) {
        self.session = TaSession::Closed;
    }

    fn run(&mut self, command: &Command) -> io::Result<Result<Output, TaRefused>> {
        let fresh = self.fresh()?;
        let mut tried = Tried::No;
        loop {
            let step = match dispatch(&self.state, self.session, command, tried, &fresh) {
                Ok(step) => step,
                Err(reason) => return Ok(Err(reason)),
            };
            let (next, result) = match step {
                Step::Unchanged(output) => return Ok(Ok(output)),
                Step::Try(next) => {
                    self.store(*next)?;
                    transcript::try_counted(&self.state);
                    tried = Tried::Counted;
                    continue;
                }
                Step::Operation(next, output) | Step::Silent(next, output) => (next, Ok(output)),
                Step::Condemned(next, reason) => (next, Err(reason)),
            };
            let before = self.store(*next)?;
            transcript::changed(&before, &self.state, &result);
            return Ok(result);
        }
    }

    /// Makes a state durable and takes it; returns the one before.
    fn store(&mut self, next: State) -> io::Result<State> {
        let nonce = self.nonce()?;
        self.slots.store(&next, &nonce)?;

        Ok(core::mem::replace(&mut self.state, next))
    }

    fn fresh(&mut self) -> io::Result<Fresh> {
        let mut fresh = Fresh {
            ta_seed: Zeroizing::new([0; 32]),
            device_seed: Zeroizing::new([0; 32]),
            pin_salt: [0; SALT_SIZE],
        };
        self.entropy.fill(fresh.ta_seed.as_mut_slice())?;
        self.entropy.fill(fresh.device_seed.as_mut_slice())?;
        self.entropy.fill(&mut fresh.pin_salt)?;

        Ok(fresh)
    }

    fn nonce(&mut self) -> io::Result<[u8; NONCE_SIZE]> {
        let mut nonce = [0; NONCE_SIZE];
        self.entropy.fill(&mut nonce)?;

        Ok(nonce)
    }
}

impl<S: Storage, E: Entropy> TrustedApplication for Ta<S, E> {
    type Unreachable = Stopped;

    fn invoke(&mut self, command: Command) -> Result<Result<Answer, TaRefused>, Stopped> {
        if self.health == Health::Stopped {
            return Err(Stopped::Before);
        }
        let result = self.run(&command).map_err(|error| {
            self.health = Health::Stopped;
            Stopped::Now(error)
        })?;
        if let Command::OperationsSince { .. } = command {
            self.session = match result {
                Ok(_) => TaSession::Open,
                Err(_) => TaSession::Closed,
            };
        }
        if let Err(reason) = &result {
            transcript::refused(&command, *reason);
        }

        Ok(result.map(|output| Answer {
            output,
            mark: self.state.operations.mark(),
        }))
    }
}

/// The TA ended without an answer. Open its storage again to learn where it stands.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// At this command: its new state may be on disk or not.
    #[error("the TA could not store its state and ends without an answer")]
    Now(#[source] io::Error),
    /// At an earlier command.
    #[error("the TA ended at an earlier command")]
    Before,
}

/// A TA cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TaNotOpened {
    /// The slots cannot be read.
    #[error("the TA's slots cannot be read")]
    Read(#[source] io::Error),
    /// Neither slot opens.
    #[error("the TA's state is lost")]
    Damaged(#[from] Damaged),
    /// The slots are not what the TPM committed to.
    #[error("the TA's state is not the newest")]
    NotCommitted(#[from] NotCommitted),
    /// What the newest state is committed to cannot be learnt.
    #[error("the TPM cannot tell which state is the newest")]
    Commitment(#[source] io::Error),
}

impl From<LoadFailed> for TaNotOpened {
    fn from(failed: LoadFailed) -> Self {
        match failed {
            LoadFailed::Read(error) => Self::Read(error),
            LoadFailed::Damaged(damaged) => Self::Damaged(damaged),
            LoadFailed::NotCommitted(not_committed) => Self::NotCommitted(not_committed),
            LoadFailed::Commitment(error) => Self::Commitment(error),
        }
    }
}
