//! A TA over a TPM, and as much of a daemon as it needs.

use std::path::{Path, PathBuf};

use ops_proto::contract::{Answer, Command, Mark, Output, TaState, TrustedApplication as _};
use ops_proto::id::CommandId;
use ops_proto::message::DepositOutcome;
use ta_sim::storage::tpm::{TpmChoice, TpmError};
use ta_sim::{OsEntropy, Stopped, Storage, Ta, TaNotOpened, TpmStorage};

use crate::world::{Bank, Device, NOW, amount};

/// A device's disk: a directory that people copy and put back.
pub(crate) struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ta")
    }

    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_files(&self.path(), &copy.path());

        copy
    }

    pub(crate) fn restore(&self, copy: &Self) {
        std::fs::remove_dir_all(self.path()).expect("it is there");
        copy_files(&copy.path(), &self.path());
    }

    pub(crate) fn open(&self, choice: &TpmChoice) -> Result<Ta<TpmStorage, OsEntropy>, Refused> {
        let storage = TpmStorage::open(&self.path(), choice, &mut OsEntropy)?;

        Ok(Ta::open(storage, OsEntropy)?)
    }

    /// Opens the TA and begins a session; the journal knows everything.
    pub(crate) fn start(&self, choice: &TpmChoice) -> Running<TpmStorage> {
        Running::begin(self.open(choice).expect("it starts"))
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("it is not there");
    for file in std::fs::read_dir(from).expect("it is there") {
        let file = file.expect("it can be read");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("it can be copied");
    }
}

/// Why a TA did not start.
#[derive(Debug)]
pub(crate) enum Refused {
    Tpm(TpmError),
    State(TaNotOpened),
}

impl From<TpmError> for Refused {
    fn from(error: TpmError) -> Self {
        Self::Tpm(error)
    }
}

impl From<TaNotOpened> for Refused {
    fn from(error: TaNotOpened) -> Self {
        Self::State(error)
    }
}

/// A TA in a session.
pub(crate) struct Running<S> {
    ta: Ta<S, OsEntropy>,
}

impl<S: Storage> Running<S> {
    pub(crate) fn begin(ta: Ta<S, OsEntropy>) -> Self {
        let mut running = Self { ta };
        let mark = running.state().mark;
        running
            .ask(Command::OperationsSince { mark })
            .expect("it is sound");

        running
    }

    pub(crate) fn ask(&mut self, command: Command) -> Result<Answer, Stopped> {
        self.ta
            .invoke(command)
            .map(|answer| answer.expect("nothing is refused"))
    }

    pub(crate) fn state(&mut self) -> TaState {
        match self.ask(Command::Inspect).expect("it is sound").output {
            Output::State(state) => *state,
            other => panic!("Inspect answered {other:?}"),
        }
    }

    pub(crate) fn mark(&mut self) -> Mark {
        self.state().mark
    }

    /// Gives it keys, a certificate and money.
    pub(crate) fn fund(&mut self, bank: &Bank, minor_units: u64) {
        let root = bank.root_key();
        self.ask(Command::Init { root }).expect("it is sound");
        let key = self.state().ta.expect("it has a key");
        self.ask(Command::CertInit {
            provider: bank.certificate.clone(),
            certificate: bank.certify_ta(key, 1),
            now: NOW,
        })
        .expect("it is sound");
        let open = Command::DepositOpen {
            command: CommandId([1; 16]),
            amount: amount(minor_units),
        };
        let Output::DepositOpened(order) = self.ask(open).expect("it is sound").output else {
            panic!("DepositOpen returns the order");
        };
        let answer = bank.answer(&order, DepositOutcome::Granted);
        self.ask(Command::DepositClose { answer })
            .expect("it is sound");
    }

    /// Pays one payment to somebody new.
    pub(crate) fn pay(&mut self, bank: &Bank, minor_units: u64) -> Result<Answer, Stopped> {
        let o = self.state().mark.o;
        let mut payee = Device::certified(100 + o, bank);
        let request = payee.request(minor_units);
        self.ask(Command::Pay {
            request,
            payee_provider: bank.certificate.clone(),
            now: NOW,
            pin: None,
        })
    }
}
