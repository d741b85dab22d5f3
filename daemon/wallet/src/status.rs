//! Where a wallet stands.

use ops_proto::contract::{Command, Output, TaState};
use ops_proto::{Balance, Currency, PublicKey, Time};
use radio::RadioState;

use super::Shared;
use crate::ta::TaAccess;

/// Where a wallet stands.
#[derive(Clone, Debug)]
pub struct WalletStatus {
    /// The client key.
    pub client: PublicKey,
    /// The TA's key, once there is one.
    pub ta_key: Option<PublicKey>,
    /// The currency of the account.
    pub currency: Option<Currency>,
    /// How far the registration is.
    pub registration: Registration,
    /// Whether the TA can be used; `None` for a payee without one.
    pub ta: Option<TaAccess>,
    /// What the TA says of itself, when it answers.
    pub ta_state: Option<TaState>,
    /// Whether there is a radio.
    pub radio: RadioState,
    /// What the online account held, and when the server said so.
    pub online: Option<(Balance, Time)>,
    /// Outgoing payments without receipt or settlement.
    pub unacknowledged: u64,
    /// Incoming payments that are to be claimed online.
    pub to_claim: u64,
    /// Pairs that the server has not seen.
    pub to_report: usize,
    /// Whether a deposit is open.
    pub deposit_open: bool,
    /// Whether the TA has signed its last statement and the server has not booked it.
    pub retiring: bool,
}

/// How far a device is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// No enrolment file was taken.
    NotEnrolled,
    /// Enrolled; the client has no certificate.
    Enrolled,
    /// The client is certified: it can ask, and claim online.
    Client,
    /// The TA is certified too: it can pay.
    Complete,
}

pub(super) async fn status(shared: &Shared) -> WalletStatus {
    let ta_state = match &shared.ta {
        None => None,
        Some(ta) => match ta.invoke(Command::Inspect).await {
            Ok(Output::State(state)) => Some(*state),
            Ok(_) | Err(_) => None,
        },
    };
    let ta = shared.ta.as_ref().map(|ta| ta.access().borrow().clone());
    let radio = shared.radio.state().borrow().clone();

    shared.journal.view(|book| {
        let client = book.client();
        let client_chain = client.and_then(|client| client.chain.as_ref());
        let registration = if book.sender_chain().is_some() {
            Registration::Complete
        } else if client_chain.is_some() {
            Registration::Client
        } else if book.enrolled().is_some() {
            Registration::Enrolled
        } else {
            Registration::NotEnrolled
        };
        let provider = book.enrolled().map(|enrolled| enrolled.provider.body());

        WalletStatus {
            client: shared.identity.public_key(),
            ta_key: book.ta().map(|ta| ta.key),
            currency: provider.map(|provider| provider.currency),
            registration,
            ta,
            ta_state,
            radio,
            online: book.account().map(|(at, account)| (account.online, *at)),
            unacknowledged: book.unacknowledged_count(),
            to_claim: book.claims_due_count(),
            to_report: book.reports_due().len(),
            deposit_open: book.deposit_open().is_some(),
            retiring: book.retire_open().is_some(),
        }
    })
}
