//! The fold: what all facts together say. Pure; every state shown to people comes from here.

mod deposit;
mod identity;
mod payment;
mod policy;
mod request;
mod status;

use std::collections::BTreeMap;

use ops_proto::certificate::{Certificate, Role};
use ops_proto::contract::Mark;
use ops_proto::{Digest, Signed, Time};

pub use deposit::{Deposit, DepositStage};
pub use identity::{ClientStanding, TaStanding};
pub use payment::{Incoming, Outgoing, PaymentKey};
pub use policy::ApprovedPayee;
pub use request::{Request, RequestShown};
pub use status::StatusStanding;

use super::entry::Recorded;
use super::fact::{Enrolled, Fact};

/// Everything that the journal says, folded. Only the journal makes it grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    mark: Option<Mark>,
    enrolled: Option<Enrolled>,
    client: Option<ClientStanding>,
    ta: Option<TaStanding>,
    deposits: Vec<Deposit>,
    requests: BTreeMap<ops_proto::id::CommandId, Request>,
    outgoing: BTreeMap<PaymentKey, Outgoing>,
    outgoing_by_hash: BTreeMap<Digest, PaymentKey>,
    incoming: BTreeMap<Digest, Incoming>,
    status: StatusStanding,
    account: Option<(Time, ops_proto::message::AccountAnswer)>,
    approved: BTreeMap<ops_proto::PublicKey, ApprovedPayee>,
    providers: BTreeMap<Digest, Signed<Certificate>>,
    contradictions: Vec<u64>,
}

impl Book {
    /// Takes the next fact into account. Never fails: a fact that contradicts the ones before is
    /// remembered in [`Self::contradictions`] and changes nothing else.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(mark) = recorded.mark
            && self.mark.is_none_or(|held| held.o < mark.o)
        {
            self.mark = Some(mark);
        }
        if self.fold(recorded).is_none() {
            self.contradictions.push(recorded.seq.0);
        }
    }

    fn fold(&mut self, recorded: &Recorded) -> Option<()> {
        let at = recorded.at;
        match &recorded.fact {
            Fact::Enrolled(enrolled) => {
                self.fold_enrolled(enrolled);
                Some(())
            }
            Fact::ClientKeyMade { client, name } => self.fold_client_key(*client, name),
            Fact::ClientRegistered(chain) => self.fold_client_chain(chain),
            Fact::TaInitialised { ta } => self.fold_ta_key(*ta),
            Fact::TaRegistered(chain) => self.fold_ta_registered(chain),
            Fact::TaCertified(chain) => self.fold_ta_certified(chain),
            Fact::DepositIntent { command, amount } => {
                self.fold_deposit_intent(*command, *amount, at)
            }
            Fact::DepositOpened { command, open } => self.fold_deposit_opened(*command, open, at),
            Fact::DepositAnswered(answer) => self.fold_deposit_answered(answer),
            Fact::DepositClosed { i, balance } => self.fold_deposit_closed(*i, *balance),
            Fact::RequestIntent(intent) => self.fold_request_intent(intent, at),
            Fact::RequestIssued { command, request } => self.fold_request_issued(*command, request),
            Fact::RequestCancelled { payee, request_id } => {
                self.fold_request_cancelled(payee, *request_id)
            }
            Fact::PayIntent(intent) => self.fold_pay_intent(intent, at),
            Fact::PayAbandoned {
                payee,
                request_id,
                refused,
            } => self.fold_pay_abandoned(PaymentKey::new(*payee, *request_id), *refused),
            Fact::PaymentSigned {
                pair,
                payee_provider,
            } => self.fold_payment_signed(pair, payee_provider, at),
            Fact::ReceiptReceived(receipt) => self.fold_receipt_received(receipt, at),
            Fact::HeldByPayee { payment } => self.fold_held(*payment),
            Fact::PaymentReceived {
                pair,
                sender_provider,
            } => {
                self.fold_payment_received(pair, sender_provider, at);
                Some(())
            }
            Fact::Collected { payment, receipt } => self.fold_collected(*payment, receipt),
            Fact::CollectRefused { payment, refused } => {
                self.fold_collect_refused(*payment, *refused)
            }
            Fact::Reported { payment, outcome } => self.fold_reported(*payment, *outcome),
            Fact::Claimed { payment, outcome } => self.fold_claimed(*payment, *outcome),
            Fact::StatusOpened(status) => self.status.opened(status),
            Fact::TokenReceived(token) => {
                self.status.token_received(token);
                Some(())
            }
            Fact::TokenTaken { status } => self.status.token_taken(*status, at),
            Fact::AccountAnswered(answer) => {
                self.account = Some((at, answer.body().clone()));
                Some(())
            }
            Fact::PayeeApproved {
                payee,
                name,
                daily_max,
            } => {
                self.fold_payee_approved(*payee, name, *daily_max);
                Some(())
            }
            Fact::PayeeApprovalEnded { payee } => self.approved.remove(payee).map(|_| ()),
            Fact::TaMoved => Some(()),
        }
    }

    /// Returns the highest mark of the TA: what `OperationsSince` shows it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark.unwrap_or(Mark::START)
    }

    /// Returns what the enrolment file said, once there is one.
    #[must_use]
    pub const fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }

    /// Returns what the online account held when the server was last asked, and when that was.
    #[must_use]
    pub const fn account(&self) -> Option<&(Time, ops_proto::message::AccountAnswer)> {
        self.account.as_ref()
    }

    /// Returns every provider's certificate that was seen and checked.
    pub fn providers(&self) -> impl Iterator<Item = &Signed<Certificate>> {
        self.providers.values()
    }

    /// Returns the certificate of the provider that certified `leaf`, if it was seen.
    #[must_use]
    pub fn provider_of(&self, leaf: &Certificate) -> Option<&Signed<Certificate>> {
        self.providers.values().find(|provider| {
            let body = provider.body();
            body.provider == leaf.provider && body.subject.id() == leaf.issuer
        })
    }

    /// Returns the numbers of facts that do not fit the facts before them; empty unless something is
    /// broken, in which case `doctor` shows them.
    #[must_use]
    pub fn contradictions(&self) -> &[u64] {
        &self.contradictions
    }

    fn remember_provider(&mut self, provider: &Signed<Certificate>) {
        match provider.body().role {
            Role::Provider { .. } => {
                let _same = self.providers.insert(provider.hash(), provider.clone());
            }
            Role::Client | Role::Ta { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
