//! Three devices, their provider, and where every unit is.

use std::collections::{BTreeMap, BTreeSet};

use ops_proto::certificate::Certificate;
use ops_proto::contract::{Command, Output, Pin, TaRefused};
use ops_proto::id::{CommandId, Digest, RequestId};
use ops_proto::key::PublicKey;
use ops_proto::list::List;
use ops_proto::message::{DepositAnswer, DepositOpen, DepositOutcome, DepositRefusal, Withdraw};
use ops_proto::pay_verify::PaymentPair;
use ops_proto::signed::Signed;

use super::device::{Journalled, statement_of};
use super::step::{Action, Entered, Step, Trouble, Verdict};
use crate::world::{Bank, Device, LIMITS, NOW, Torn, amount};

const ISSUED: u64 = 1_000_000;

pub(super) struct World {
    /// One provider: as it is, and with the keys that it rolls over to.
    banks: [Bank; 2],
    devices: Vec<Journalled>,
    /// The server's stored answers, by the hash of the order; a grant has left the online account.
    answers: BTreeMap<Digest, Signed<DepositAnswer>>,
    /// Withdrawals that the server has booked.
    booked: BTreeSet<Digest>,
    online: u64,
    /// The one P that each payer gave for each request.
    paid: BTreeMap<(usize, PublicKey, RequestId), Digest>,
    count: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let banks = [Bank::new(1), Bank::with_keys(1, 7, "EUR", NOW)];
        let mut world = Self {
            devices: (1..4).map(Journalled::new).collect(),
            banks,
            answers: BTreeMap::new(),
            booked: BTreeSet::new(),
            online: ISSUED,
            paid: BTreeMap::new(),
            count: 0,
        };
        for who in 0..world.devices.len() {
            world.enrol(who);
        }

        world
    }

    fn enrol(&mut self, who: usize) {
        let root = self.banks[0].root_key();
        let device = &mut self.devices[who];
        let Some(Ok(Output::Initialised { ta })) =
            device.ask(&Command::Init { root }, Trouble::None)
        else {
            panic!("a new TA takes a root");
        };
        let certificate = certificate(&self.banks[0], ta, 1);
        let certified = device.ask(&certificate, Trouble::None);
        assert_eq!(certified, Some(Ok(Output::Certified)));
        device.ask(&Command::Acknowledge { o: 2 }, Trouble::None);
    }

    pub(super) fn take(&mut self, step: &Step) {
        let who = step.who;
        if let Action::StartAgain = step.action {
            self.devices[who].start_again(Torn::Lost);
            return;
        }
        let Some(command) = self.command(who, &step.action) else {
            return;
        };
        let result = self.devices[who].ask(&command, step.trouble);
        if let Some(Err(reason)) = result {
            self.check_refusal(who, &command, reason);
        }
    }

    /// Returns what the daemon asks its TA, or nothing when there is nothing to ask.
    fn command(&mut self, who: usize, action: &Action) -> Option<Command> {
        self.count += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.count.to_le_bytes());
        match action {
            Action::OpenDeposit(minor_units) => Some(Command::DepositOpen {
                command: CommandId(id),
                amount: amount(*minor_units),
            }),
            Action::AnswerDeposit(verdict) => self.answer_deposit(who, *verdict),
            Action::Request(minor_units) => Some(Command::PrepareRequest {
                command: CommandId(id),
                terms: Device::terms(*minor_units),
            }),
            Action::Pay(index, entered) => self.pay(who, *index, *entered),
            Action::Collect(index) => {
                let pairs: Vec<_> = self.pairs().map(|(_, pair)| pair).collect();
                let pair = pick(&pairs, *index)?.clone();
                let sender_provider = self.provider_of(&pair.payment.body().sender);
                Some(Command::Collect {
                    pair,
                    sender_provider,
                })
            }
            Action::OpenStatus { close } => {
                let close = RequestId(u64::try_from(close % 10).expect("small"));
                Some(Command::StatusOpen {
                    close: List::try_from(vec![close]).expect("one id"),
                    nonce: id,
                })
            }
            Action::Sync => {
                let status = self.last_status(who)?;
                let token = self.bank_of(who, &status.hash()).token(&status, NOW);
                Some(Command::Sync { token })
            }
            Action::Acknowledge => {
                let o = self.devices[who].mark().o;
                Some(Command::Acknowledge { o })
            }
            Action::Withdraw(minor_units) => Some(Command::Withdraw {
                command: CommandId(id),
                amount: amount(*minor_units),
            }),
            Action::AckWithdrawal => self.acknowledge_withdrawal(who),
            Action::Renew => Some(self.renew(who)),
            Action::Retire => Some(Command::Retire { nonce: id }),
            Action::SetPin { old, floor } => Some(Command::SetPin {
                old: pin(*old),
                new: Pin::new(PIN.to_owned()),
                floor: *floor,
            }),
            Action::Repeat(index) => {
                let unsettled = &self.devices[who].journal[self.settled(who)..];
                pick(unsettled, *index).map(|operation| operation.command.clone())
            }
            Action::StartAgain => None,
        }
    }

    /// The server answers the newest order, once; asked again it answers the same.
    fn answer_deposit(&mut self, who: usize, verdict: Verdict) -> Option<Command> {
        let order = self.orders(who).last()?;
        if let Some(answer) = self.answers.get(&order.hash()) {
            let answer = answer.clone();
            return Some(Command::DepositClose { answer });
        }
        let minor_units = order.body().amount.minor_units();
        let outcome = match verdict {
            Verdict::Grant if minor_units <= self.online => {
                self.online -= minor_units;
                DepositOutcome::Granted
            }
            Verdict::Grant | Verdict::Refuse => DepositOutcome::Refused(DepositRefusal::Balance),
        };
        let answer = self.bank_of(who, &order.hash()).answer(&order, outcome);
        self.answers.insert(order.hash(), answer.clone());

        Some(Command::DepositClose { answer })
    }

    /// The daemon's journal never asks for a payment again that a token has settled.
    fn pay(&self, who: usize, index: usize, entered: Entered) -> Option<Command> {
        let requests: Vec<_> = self.requests().collect();
        let request = pick(&requests, index)?.clone();
        let settled = self.settled(who);
        let is_settled = self.devices[who].journal[..settled]
            .iter()
            .any(|operation| match &operation.output {
                Output::Paid(pair) => pair.request == request,
                _ => false,
            });
        if is_settled {
            return None;
        }

        Some(Command::Pay {
            payee_provider: self.provider_of(&request.body().payee),
            request,
            now: NOW,
            pin: pin(entered),
        })
    }

    /// The server books a withdrawal, once; asked again it acknowledges again.
    fn acknowledge_withdrawal(&mut self, who: usize) -> Option<Command> {
        let order = self.withdrawals(who).last()?;
        if self.booked.insert(order.hash()) {
            self.online += order.body().amount.minor_units();
        }
        let ack = self.bank_of(who, &order.hash()).ack(&order);

        Some(Command::WithdrawAck { ack })
    }

    fn renew(&mut self, who: usize) -> Command {
        let state = self.devices[who].state();
        let number = state.certificate.expect("it is certified") + 1;
        let generation = usize::from(number.is_multiple_of(2));
        let ta = state.ta.expect("it has a key");

        certificate(&self.banks[generation], ta, number)
    }

    /// Returns the certificate of the provider that signed a certificate.
    fn provider_of(&self, certificate: &Signed<Certificate>) -> Signed<Certificate> {
        let issuer = certificate.body().issuer;
        let bank = self
            .banks
            .iter()
            .find(|bank| bank.certify.public_key().id() == issuer);

        bank.expect("there are two").certificate.clone()
    }

    /// Returns the provider with the keys that a TA knew when it made a statement.
    fn bank_of(&self, who: usize, statement: &Digest) -> &Bank {
        let mut known = None;
        for operation in &self.devices[who].journal {
            if let Command::CertInit { provider, .. } = &operation.command {
                known = Some(provider);
            }
            if statement_of(&operation.output).is_some_and(|made| made.hash() == *statement) {
                break;
            }
        }
        let bank = self
            .banks
            .iter()
            .find(|bank| Some(&bank.certificate) == known);

        bank.expect("one of them certified the TA")
    }

    /// A grant or acknowledgement is never refused, nor a payment for an open id: its payer is debited already.
    fn check_refusal(&mut self, who: usize, command: &Command, reason: TaRefused) {
        let state = self.devices[who].state();
        match command {
            Command::DepositClose { answer } => {
                let newest = self.orders(who).last().map(|order| order.hash());
                let is_open = newest == Some(answer.body().order) && state.deposit_open.is_some();
                assert!(
                    !is_open || reason == TaRefused::Unacknowledged,
                    "a grant was refused: {reason}"
                );
            }
            Command::WithdrawAck { ack } => {
                let newest = self.withdrawals(who).last().map(|order| order.hash());
                let is_open = newest == Some(ack.body().order) && state.withdraw_open.is_some();
                assert!(
                    !is_open || reason == TaRefused::Unacknowledged,
                    "an acknowledgement was refused: {reason}"
                );
            }
            Command::Withdraw { amount, .. } => {
                let is_covered = state.balance.minor_units() >= amount.minor_units();
                let pends = state.deposit_open.is_some() || state.withdraw_open.is_some();
                assert!(
                    !is_covered
                        || pends
                        || state.retired
                        || matches!(reason, TaRefused::Unacknowledged | TaRefused::CommandReused),
                    "a withdrawal was refused: {reason}"
                );
            }
            Command::Collect { .. } => assert!(
                matches!(
                    reason,
                    TaRefused::OtherReceiver | TaRefused::RequestClosed | TaRefused::Unacknowledged
                ),
                "a payment was refused: {reason}"
            ),
            _ => {}
        }
    }

    pub(super) fn check(&mut self) {
        let mut held = 0;
        for device in &mut self.devices {
            device.check();
            let state = device.state();
            let deposit = state.deposit_open.map_or(0, |open| open.minor_units());
            let room = state.balance.minor_units() + state.reserved + deposit;
            assert!(room <= LIMITS().balance_max.minor_units());
            assert!(state.paid_total <= LIMITS().paid_total.refuse);
            assert!(state.paid_count <= LIMITS().paid_count.refuse);
            assert!(state.deposit_open.is_none() || state.withdraw_open.is_none());
            assert!(!state.pin.is_set || state.pin.since_pin <= state.pin.floor);
            held += state.balance.minor_units();
            if let Some(last) = device.retired() {
                assert_eq!(last.balance, state.balance, "nothing moves after Retire");
                assert!(state.retired && state.reserved == 0);
            }
        }
        let sum = self.online
            + held
            + self.transit()
            + self.granted_and_open()
            + self.withdrawn_and_open();
        assert_eq!(sum, ISSUED, "money is conserved");
        self.check_payments();
    }

    fn check_payments(&mut self) {
        let pairs: Vec<_> = self.pairs().collect();
        for (who, pair) in pairs {
            let payment = pair.payment.body();
            let key = (who, payment.receiver.key, payment.request_id);
            let first = *self.paid.entry(key).or_insert_with(|| pair.hash());
            assert_eq!(first, pair.hash(), "one request, one payment");
        }
    }

    /// Payments that were signed and not collected.
    fn transit(&self) -> u64 {
        let collected: BTreeSet<_> = self
            .outputs()
            .filter_map(|(_, output)| match output {
                Output::Collected(receipt) => Some(receipt.body().payment),
                _ => None,
            })
            .collect();

        self.pairs()
            .filter(|(_, pair)| !collected.contains(&pair.hash()))
            .map(|(_, pair)| pair.payment.body().amount.minor_units())
            .sum()
    }

    /// Grants that have left the online account and not reached the TA.
    fn granted_and_open(&self) -> u64 {
        let closed: BTreeSet<_> = self
            .devices
            .iter()
            .flat_map(|device| &device.journal)
            .filter_map(|operation| match &operation.command {
                Command::DepositClose { answer } => Some(answer.body().order),
                _ => None,
            })
            .collect();

        (0..self.devices.len())
            .flat_map(|who| self.orders(who))
            .filter(|order| !closed.contains(&order.hash()))
            .filter(|order| {
                let answer = self.answers.get(&order.hash());
                answer.is_some_and(|answer| answer.body().outcome == DepositOutcome::Granted)
            })
            .map(|order| order.body().amount.minor_units())
            .sum()
    }

    /// Withdrawals that are debited and that the server has not booked.
    fn withdrawn_and_open(&self) -> u64 {
        (0..self.devices.len())
            .flat_map(|who| self.withdrawals(who))
            .filter(|order| !self.booked.contains(&order.hash()))
            .map(|order| order.body().amount.minor_units())
            .sum()
    }

    fn withdrawals(&self, who: usize) -> impl Iterator<Item = Signed<Withdraw>> {
        self.outputs().filter_map(move |(by, output)| match output {
            Output::Withdrawn(order) if by == who => Some(order.clone()),
            _ => None,
        })
    }

    fn outputs(&self) -> impl Iterator<Item = (usize, &Output)> {
        self.devices.iter().enumerate().flat_map(|(who, device)| {
            let journal = device.journal.iter();
            journal.map(move |operation| (who, &operation.output))
        })
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, PaymentPair)> {
        self.outputs().filter_map(|(who, output)| match output {
            Output::Paid(pair) => Some((who, pair.clone())),
            _ => None,
        })
    }

    fn requests(&self) -> impl Iterator<Item = Signed<ops_proto::message::RequestPayment>> {
        self.outputs().filter_map(|(_, output)| match output {
            Output::RequestPrepared(request) => Some(request.clone()),
            _ => None,
        })
    }

    fn orders(&self, who: usize) -> impl Iterator<Item = Signed<DepositOpen>> {
        self.outputs().filter_map(move |(by, output)| match output {
            Output::DepositOpened(order) if by == who => Some(order.clone()),
            _ => None,
        })
    }

    fn last_status(&self, who: usize) -> Option<Signed<ops_proto::message::Status>> {
        self.outputs()
            .filter_map(|(by, output)| match output {
                Output::StatusOpened(status) if by == who => Some(status.clone()),
                _ => None,
            })
            .last()
    }

    /// Returns how much of the journal lies before the last status that a token covers.
    fn settled(&self, who: usize) -> usize {
        let journal = &self.devices[who].journal;
        let synced = journal
            .iter()
            .rposition(|operation| operation.output == Output::Synced)
            .unwrap_or(0);

        journal[..synced]
            .iter()
            .rposition(|operation| matches!(operation.output, Output::StatusOpened(_)))
            .unwrap_or(0)
    }
}

fn certificate(bank: &Bank, ta: PublicKey, number: u64) -> Command {
    Command::CertInit {
        provider: bank.certificate.clone(),
        certificate: bank.certify_ta(ta, number),
        now: NOW,
    }
}

fn pin(entered: Entered) -> Option<Pin> {
    match entered {
        Entered::Nothing => None,
        Entered::Right => Some(Pin::new(PIN.to_owned())),
        Entered::Wrong => Some(Pin::new("9999".to_owned())),
    }
}

const PIN: &str = "1234";

fn pick<T>(items: &[T], index: usize) -> Option<&T> {
    items.get(index.checked_rem(items.len())?)
}
