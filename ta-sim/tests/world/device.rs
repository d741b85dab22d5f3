//! A device with a TA on a simulated disk, and as much of a daemon as it needs.

use ops_proto::contract::{
    Command, Mark, Output, Pin, RequestTerms, TaRefused, TaState, TrustedApplication,
};
use ops_proto::id::{CommandId, Digest, RequestId};
use ops_proto::key::PublicKey;
use ops_proto::list::List;
use ops_proto::message::{
    DepositOpen, DepositOutcome, ListsHeld, NoiseKey, ReceivedPayment, RequestPayment, Retire,
    Status, Withdraw,
};
use ops_proto::pay_verify::PaymentPair;
use ops_proto::signed::Signed;
use ops_proto::time::Validity;
use ta_sim::Ta;

use super::{Bank, Disk, NOW, Repeatable, amount};

pub(crate) struct Device {
    pub(crate) ta: Ta<Disk, Repeatable>,
    pub(crate) disk: Disk,
    /// The journal's highest mark.
    pub(crate) mark: Mark,
    seed: u64,
    starts: u64,
    commands: u64,
}

impl Device {
    /// A device whose TA has begun a session and knows nothing yet.
    pub(crate) fn blank(seed: u64) -> Self {
        let disk = Disk::new();
        let ta = Ta::open(disk.clone(), Repeatable::new(seed * 1_000_000)).expect("it is empty");
        let mut device = Self {
            ta,
            disk,
            mark: Mark::START,
            seed,
            starts: 0,
            commands: 0,
        };
        device.begin().expect("nothing is behind nothing");

        device
    }

    /// A device that `bank` has certified.
    pub(crate) fn certified(seed: u64, bank: &Bank) -> Self {
        let mut device = Self::blank(seed);
        let root = bank.root_key();
        device
            .ask(Command::Init { root })
            .expect("it has no key yet");
        device.certify(bank, 1).expect("the chain is good");

        device
    }

    /// A device with money on it.
    pub(crate) fn funded(seed: u64, bank: &Bank, minor_units: u64) -> Self {
        let mut device = Self::certified(seed, bank);
        device.deposit(bank, minor_units);

        device
    }

    /// Asks the TA and journals where it stands.
    pub(crate) fn ask(&mut self, command: Command) -> Result<Output, TaRefused> {
        let answer = self.ta.invoke(command).expect("the disk has power")?;
        self.mark = answer.mark;

        Ok(answer.output)
    }

    pub(crate) fn begin(&mut self) -> Result<Output, TaRefused> {
        let mark = self.mark;
        self.ask(Command::OperationsSince { mark })
    }

    /// Ends the process and opens the TA again, before a session.
    pub(crate) fn start_again(&mut self) {
        self.starts += 1;
        let entropy = Repeatable::new(self.seed * 1_000_000 + self.starts * 1_000);
        self.ta = Ta::open(self.disk.clone(), entropy).expect("one slot is whole");
    }

    pub(crate) fn acknowledge(&mut self) {
        let o = self.mark.o;
        self.ask(Command::Acknowledge { o })
            .expect("the TA is as far");
    }

    /// Looks at the TA; the journal hears nothing of it.
    pub(crate) fn state(&mut self) -> TaState {
        let answer = self.ta.invoke(Command::Inspect).expect("the TA is sound");
        match answer.map(|answer| answer.output) {
            Ok(Output::State(state)) => *state,
            other => panic!("Inspect answered {other:?}"),
        }
    }

    pub(crate) fn balance(&mut self) -> u64 {
        self.state().balance.minor_units()
    }

    pub(crate) fn key(&mut self) -> PublicKey {
        self.state().ta.expect("the TA has a key")
    }

    pub(crate) fn certify(&mut self, bank: &Bank, number: u64) -> Result<Output, TaRefused> {
        let ta = self.key();
        self.ask(Command::CertInit {
            provider: bank.certificate.clone(),
            certificate: bank.certify_ta(ta, number),
            now: NOW,
        })
    }

    pub(crate) fn open_deposit(
        &mut self,
        minor_units: u64,
    ) -> Result<Signed<DepositOpen>, TaRefused> {
        let command = self.next_command();
        match self.ask(Command::DepositOpen {
            command,
            amount: amount(minor_units),
        })? {
            Output::DepositOpened(order) => Ok(order),
            other => panic!("DepositOpen answered {other:?}"),
        }
    }

    pub(crate) fn deposit(&mut self, bank: &Bank, minor_units: u64) {
        let order = self.open_deposit(minor_units).expect("there is room");
        let answer = bank.answer(&order, DepositOutcome::Granted);
        self.ask(Command::DepositClose { answer })
            .expect("a grant is never refused");
    }

    pub(crate) fn withdraw(&mut self, minor_units: u64) -> Result<Signed<Withdraw>, TaRefused> {
        let command = self.next_command();
        self.ask(Command::Withdraw {
            command,
            amount: amount(minor_units),
        })
        .map(expect_withdrawn)
    }

    pub(crate) fn acknowledge_withdrawal(
        &mut self,
        bank: &Bank,
        order: &Signed<Withdraw>,
    ) -> Result<Output, TaRefused> {
        let ack = bank.ack(order);
        self.ask(Command::WithdrawAck { ack })
    }

    pub(crate) fn retire(&mut self, nonce: u8) -> Result<Signed<Retire>, TaRefused> {
        let nonce = [nonce; 16];
        match self.ask(Command::Retire { nonce })? {
            Output::Retired(retire) => Ok(retire),
            other => panic!("Retire answered {other:?}"),
        }
    }

    pub(crate) fn set_pin(
        &mut self,
        old: Option<&str>,
        new: &str,
        floor: u64,
    ) -> Result<Output, TaRefused> {
        self.ask(Command::SetPin {
            old: old.map(|old| Pin::new(old.to_owned())),
            new: Pin::new(new.to_owned()),
            floor,
        })
    }

    pub(crate) fn pay_with_pin(
        &mut self,
        bank: &Bank,
        request: &Signed<RequestPayment>,
        pin: &str,
    ) -> Result<PaymentPair, TaRefused> {
        self.ask(Command::Pay {
            request: request.clone(),
            payee_provider: bank.certificate.clone(),
            now: NOW,
            pin: Some(Pin::new(pin.to_owned())),
        })
        .map(expect_paid)
    }

    pub(crate) fn terms(minor_units: u64) -> RequestTerms {
        RequestTerms {
            amount: amount(minor_units),
            memo_hash: Digest([7; 32]),
            noise_key: NoiseKey([8; 32]),
            issued: NOW,
            validity: Validity::try_from(60_000).expect("a minute"),
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        }
    }

    pub(crate) fn request_with(
        &mut self,
        terms: RequestTerms,
    ) -> Result<Signed<RequestPayment>, TaRefused> {
        let command = self.next_command();
        self.ask(Command::PrepareRequest { command, terms })
            .map(expect_request)
    }

    pub(crate) fn request(&mut self, minor_units: u64) -> Signed<RequestPayment> {
        self.request_with(Self::terms(minor_units))
            .expect("there is room")
    }

    pub(crate) fn pay(
        &mut self,
        bank: &Bank,
        request: &Signed<RequestPayment>,
    ) -> Result<PaymentPair, TaRefused> {
        self.ask(Command::Pay {
            request: request.clone(),
            payee_provider: bank.certificate.clone(),
            now: NOW,
            pin: None,
        })
        .map(expect_paid)
    }

    pub(crate) fn collect(
        &mut self,
        bank: &Bank,
        pair: &PaymentPair,
    ) -> Result<Signed<ReceivedPayment>, TaRefused> {
        match self.ask(Command::Collect {
            pair: pair.clone(),
            sender_provider: bank.certificate.clone(),
        })? {
            Output::Collected(receipt) => Ok(receipt),
            other => panic!("Collect answered {other:?}"),
        }
    }

    pub(crate) fn open_status(
        &mut self,
        close: &[RequestId],
        nonce: u8,
    ) -> Result<Signed<Status>, TaRefused> {
        self.ask(Command::StatusOpen {
            close: List::try_from(close.to_vec()).expect("few ids"),
            nonce: [nonce; 16],
        })
        .map(expect_status)
    }

    pub(crate) fn sync(&mut self, bank: &Bank, nonce: u8) {
        let status = self.open_status(&[], nonce).expect("it is certified");
        let token = bank.token(&status, NOW);
        self.ask(Command::Sync { token }).expect("it fits");
    }

    pub(crate) fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.commands.to_le_bytes());
        CommandId(id)
    }
}

pub(crate) fn expect_withdrawn(output: Output) -> Signed<Withdraw> {
    match output {
        Output::Withdrawn(order) => order,
        other => panic!("Withdraw answered {other:?}"),
    }
}

pub(crate) fn expect_paid(output: Output) -> PaymentPair {
    match output {
        Output::Paid(pair) => pair,
        other => panic!("Pay answered {other:?}"),
    }
}

pub(crate) fn expect_request(output: Output) -> Signed<RequestPayment> {
    match output {
        Output::RequestPrepared(request) => request,
        other => panic!("PrepareRequest answered {other:?}"),
    }
}

pub(crate) fn expect_status(output: Output) -> Signed<Status> {
    match output {
        Output::StatusOpened(status) => status,
        other => panic!("StatusOpen answered {other:?}"),
    }
}
