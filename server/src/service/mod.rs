//! What the server does with each message.
//!
//! Every message goes the same way: `prepare` decodes it and checks its signatures, on any thread and
//! before the transaction; `apply` reads and writes the books inside it. What is signed in answer is
//! computed from the rows of that transaction and leaves after the commit. It is stored in it where it is the
//! first to say what was booked; what repeats, or only reads the books, leaves no row.

mod account;
mod batch;
pub(crate) mod bulk;
mod chain;
mod challenge;
mod check;
mod credited;
mod death;
mod deposit;
mod ending;
mod forward;
mod lists;
mod lists_in;
mod mailbox;
mod payment;
mod peer_life;
mod probe;
mod register;
mod remembered;
mod renew;
mod restored;
mod retire;
mod seen;
mod settlement;
mod status;
mod verify;
mod withdraw;

use std::sync::Arc;

use ops_proto::message::DenyEntry;
use ops_proto::signed::Malformed;
use ops_proto::statement::{Evidence, Statement};
use ops_proto::{PublicKey, Time};

use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::{StoreError, TaRow, Unit};

pub(crate) use batch::Batch;
pub(crate) use bulk::PlainBooked;
pub(crate) use chain::{Announced, ChainKind};
pub(crate) use check::{Checked, Checker};
pub(crate) use ending::PayOut;
pub(crate) use forward::{Answered, Delivered, PeerDue, release};
pub(crate) use lists::Query as ListsOut;
pub(crate) use lists_in::ListsIn;
pub(crate) use peer_life::Recalled;
pub(crate) use probe::Probe;
pub(crate) use settlement::{Acknowledged, receive};

/// A message whose form and signatures were checked.
#[derive(Debug)]
pub(crate) enum Order {
    Challenge(challenge::Challenge),
    RegisterClient(register::Client),
    RegisterTa(register::Ta),
    Deposit(deposit::Deposit),
    Batch(Batch),
    Withdraw(withdraw::WithdrawOrder),
    Knock(chain::Knock),
    Status(status::StatusOrder),
    Retire(retire::RetireOrder),
    Death(death::DeathReport),
    Renew(renew::RenewOrder),
    Mailbox(mailbox::Query),
    Credited(credited::Query),
    Lists(lists::Query),
    Remembered(remembered::RememberedOrder),
    PayOut(PayOut),
    ListsIn(ListsIn),
    Forward(forward::Presented),
    Settlement(settlement::Settled),
    Settlements(peer_life::Query),
    Answered(Answered),
    Delivered(Delivered),
    Acknowledged(Acknowledged),
    Recalled(Recalled),
    PeerDue(PeerDue),
    Account(account::Query),
    Probe(Probe),
}

/// What bodies a message can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Challenge,
    RegisterClient,
    RegisterTa,
    Deposit,
    Withdraw,
    Batch,
    Status,
    Retire,
    Death,
    Renew,
    Mailbox,
    Credited,
    Lists,
    Remembered,
    Forward,
    Settlement,
    Settlements,
    Account,
}

impl Order {
    /// Decodes a message and checks its signatures. A chain goes through [`Announced`] instead.
    pub(crate) async fn prepare(
        kind: MessageKind,
        body: Vec<u8>,
        provider: &Arc<Provider>,
        now: Time,
    ) -> Result<Self, Refusal> {
        match kind {
            MessageKind::Batch => return batch::prepare(body, provider).await.map(Self::Batch),
            MessageKind::Forward => {
                return forward::prepare(body, provider).await.map(Self::Forward);
            }
            MessageKind::Status
            | MessageKind::Settlement
            | MessageKind::Settlements
            | MessageKind::Retire
            | MessageKind::Challenge
            | MessageKind::RegisterClient
            | MessageKind::RegisterTa
            | MessageKind::Deposit
            | MessageKind::Withdraw
            | MessageKind::Death
            | MessageKind::Renew
            | MessageKind::Mailbox
            | MessageKind::Credited
            | MessageKind::Lists
            | MessageKind::Remembered
            | MessageKind::Account => {}
        }
        let provider = Arc::clone(provider);

        verify::off_the_loop(move || Self::prepare_small(kind, &body, &provider, now)).await?
    }

    fn prepare_small(
        kind: MessageKind,
        body: &[u8],
        provider: &Provider,
        now: Time,
    ) -> Result<Self, Refusal> {
        match kind {
            MessageKind::Challenge => challenge::prepare(body).map(Self::Challenge),
            MessageKind::RegisterClient => register::prepare_client(body).map(Self::RegisterClient),
            MessageKind::RegisterTa => {
                register::prepare_ta(body, provider, now).map(Self::RegisterTa)
            }
            MessageKind::Deposit => deposit::prepare(body).map(Self::Deposit),
            MessageKind::Withdraw => withdraw::prepare(body).map(Self::Withdraw),
            MessageKind::Death => death::prepare(body).map(Self::Death),
            MessageKind::Renew => renew::prepare(body).map(Self::Renew),
            MessageKind::Mailbox => mailbox::prepare(body).map(Self::Mailbox),
            MessageKind::Credited => credited::prepare(body).map(Self::Credited),
            MessageKind::Lists => lists::prepare(body).map(Self::Lists),
            MessageKind::Remembered => remembered::prepare(body, provider).map(Self::Remembered),
            MessageKind::Settlement => settlement::prepare(body, provider).map(Self::Settlement),
            MessageKind::Settlements => peer_life::prepare(body, provider).map(Self::Settlements),
            MessageKind::Account => account::prepare(body).map(Self::Account),
            MessageKind::Batch
            | MessageKind::Forward
            | MessageKind::Status
            | MessageKind::Retire => Err(Refusal::new(
                Code::Internal,
                "the message went the wrong way inside the server",
            )),
        }
    }

    /// Returns the batch, if the message is one.
    pub(crate) const fn batch(&self) -> Option<&Batch> {
        if let Self::Batch(batch) = self {
            return Some(batch);
        }

        None
    }

    /// Returns how many statements, pairs or other items have to be booked.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Batch(order) => order.items().len(),
            Self::Status(order) => order.0.weight(),
            Self::Retire(order) => order.0.weight(),
            Self::Remembered(order) => order.weight(),
            Self::Forward(order) => order.weight(),
            Self::ListsIn(order) => order.weight(),
            Self::Challenge(_)
            | Self::RegisterClient(_)
            | Self::RegisterTa(_)
            | Self::Deposit(_)
            | Self::Withdraw(_)
            | Self::Knock(_)
            | Self::Death(_)
            | Self::Renew(_)
            | Self::Mailbox(_)
            | Self::Lists(_)
            | Self::PayOut(_)
            | Self::Settlement(_)
            | Self::Settlements(_)
            | Self::Answered(_)
            | Self::Delivered(_)
            | Self::Acknowledged(_)
            | Self::Recalled(_)
            | Self::PeerDue(_)
            | Self::Probe(_)
            | Self::Account(_)
            | Self::Credited(_) => 1,
        }
    }

    /// Books the message and returns the bytes of the answer.
    /// What was booked together with other messages is not booked again.
    pub(crate) async fn apply(
        &self,
        at: &mut Desk<'_, '_>,
        booked: &mut PlainBooked,
    ) -> Result<Vec<u8>, Stop> {
        match self {
            Self::Challenge(order) => order.apply(at).await,
            Self::RegisterClient(order) => order.apply(at).await,
            Self::RegisterTa(order) => order.apply(at).await,
            Self::Deposit(order) => order.apply(at).await,
            Self::Batch(order) => order.apply(at, booked).await,
            Self::Knock(order) => order.apply(at).await,
            Self::Status(order) => order.apply(at).await,
            Self::Withdraw(order) => order.apply(at).await,
            Self::Retire(order) => order.apply(at).await,
            Self::Death(order) => order.apply(at).await,
            Self::Renew(order) => order.apply(at).await,
            Self::Mailbox(order) => order.apply(at).await,
            Self::Credited(order) => order.apply(at).await,
            Self::Lists(order) => order.apply(at).await,
            Self::Remembered(order) => order.apply(at).await,
            Self::PayOut(order) => order.apply(at).await,
            Self::ListsIn(order) => order.apply(at).await,
            Self::Forward(order) => order.apply(at).await,
            Self::Settlement(order) => order.apply(at).await,
            Self::Settlements(order) => order.apply(at).await,
            Self::Answered(order) => order.apply(at).await,
            Self::Delivered(order) => order.apply(at).await,
            Self::Acknowledged(order) => order.apply(at).await,
            Self::Recalled(order) => order.apply(at).await,
            Self::PeerDue(order) => order.apply(at).await,
            Self::Account(order) => order.apply(at).await,
            Self::Probe(order) => order.apply(at).await,
        }
    }
}

/// Where a message is booked: the transaction, the provider and the present instant.
#[derive(Debug)]
pub(crate) struct Desk<'d, 's> {
    pub(crate) unit: &'d mut Unit<'s>,
    pub(crate) provider: &'d Provider,
    pub(crate) now: Time,
}

impl Desk<'_, '_> {
    /// Suspends a TA for good reason. What convicts it is stored.
    pub(crate) async fn convict(&mut self, conviction: &Conviction) -> Result<(), StoreError> {
        let Conviction {
            ta,
            reason,
            evidence,
            chain,
        } = conviction;
        self.unit
            .put_finding(ta, reason, evidence.as_deref(), self.now)
            .await?;
        self.unit.suspend_ta(ta).await?;
        for statement in chain {
            self.unit.put_statement(statement).await?;
        }
        if let Some(evidence) = evidence {
            self.unit.put_statement(&evidence.second).await?;
            if let Some(ta) = self.unit.ta(ta).await? {
                self.revoke(&ta).await?;
            }
        }
        tracing::info!(ta = %ta.id(), %reason, "Suspended a TA");

        Ok(())
    }
}

impl Desk<'_, '_> {
    /// Lists a TA as revoked, unless it is.
    pub(crate) async fn revoke(&mut self, ta: &TaRow) -> Result<(), StoreError> {
        let entry = DenyEntry {
            key: ta.key,
            not_after: ta.certificate.body().not_after,
        };
        let (ours, epoch) = (self.provider.id(), self.provider.list_epoch());
        if let Some(version) = self.unit.revoke_key(&ours, epoch, &entry, self.now).await? {
            self.unit.set_listed(&ta.key, version).await?;
            tracing::info!(ta = %ta.key.id(), ?version, "Listed a TA as revoked");
        }

        Ok(())
    }

    /// Keeps what was done so far, whatever becomes of the message.
    pub(crate) async fn keep_so_far(&mut self) -> Result<(), StoreError> {
        self.unit.keep().await?;

        self.unit.mark().await
    }
}

/// Whether a message changed what its answer says: only then is the answer stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Some,
    None,
}

/// Why a TA is suspended.
#[derive(Debug)]
pub(crate) struct Conviction {
    pub(crate) ta: PublicKey,
    pub(crate) reason: String,
    pub(crate) evidence: Option<Box<Evidence>>,
    /// The chain that does not fit the books, oldest first.
    pub(crate) chain: Vec<Statement>,
}

impl Conviction {
    pub(crate) fn by(evidence: Evidence) -> Self {
        Self {
            ta: evidence.first.ta(),
            reason: "two statements contradict each other".to_owned(),
            evidence: Some(Box::new(evidence)),
            chain: Vec::new(),
        }
    }
}

/// Why a message is not booked. Everything that it did is undone first.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is refused, and it convicts its TA.
    #[error("{1}")]
    Convicted(Conviction, Refusal),
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) fn refuse(code: Code, message: impl ToString) -> Stop {
    Stop::Refused(Refusal::new(code, message))
}

fn malformed(error: Malformed) -> Refusal {
    Refusal::new(Code::Malformed, error)
}
