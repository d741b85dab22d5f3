//! What each kind of fact changes.

use super::{Book, PaymentKey};
use crate::entry::Recorded;
use crate::fact::Fact;

impl Book {
    /// Takes a fact into account; `None` when it contradicts the facts before it, and then it changed nothing.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each kind of fact, in one place"
    )]
    pub(super) fn fold(&mut self, recorded: &Recorded) -> Option<()> {
        let at = recorded.at;
        let here = (at, recorded.seq);
        match &recorded.fact {
            // who this device is, and whom it trusts
            Fact::Enrolled(enrolled) => self.fold_enrolled(enrolled),
            Fact::ProviderSeen(provider) => self.remember_provider(provider),
            Fact::ClientKeyMade { client, name } => return self.fold_client_key(*client, name),
            Fact::ClientRegistered(chain) => return self.fold_client_chain(chain),
            Fact::TaInitialised { ta } => return self.fold_ta_key(*ta),
            Fact::TaRegistered(chain) => return self.fold_ta_registered(chain),
            Fact::TaCertified(chain) => return self.fold_ta_certified(chain),
            Fact::PayeeApproved {
                payee,
                name,
                daily_max,
            } => self.fold_payee_approved(*payee, name, *daily_max),
            Fact::PayeeApprovalEnded { payee } => return self.approved.remove(payee).map(drop),

            // money between the device and the online account
            Fact::DepositIntent { command, amount } => {
                return self.fold_deposit_intent(*command, *amount, at);
            }
            Fact::DepositOpened { command, open } => {
                return self.fold_deposit_opened(*command, open, at);
            }
            Fact::DepositAnswered(answer) => return self.fold_deposit_answered(answer),
            Fact::DepositClosed { i, balance } => return self.fold_deposit_closed(*i, *balance),
            Fact::WithdrawIntent { command, amount } => {
                return self.fold_withdraw_intent(*command, *amount, at);
            }
            Fact::Withdrawn { command, withdraw } => {
                return self.fold_withdrawn(*command, withdraw, at);
            }
            Fact::WithdrawAcknowledged(ack) => return self.fold_withdraw_acknowledged(ack),
            Fact::WithdrawClosed { i, balance } => return self.fold_withdraw_closed(*i, *balance),

            // requests, and payments in both directions
            Fact::RequestIntent(intent) => return self.fold_request_intent(intent, here),
            Fact::RequestIssued { command, request } => {
                return self.fold_request_issued(*command, request, recorded.seq);
            }
            Fact::RequestCancelled { payee, request_id } => {
                return self.fold_request_cancelled(payee, *request_id);
            }
            Fact::PayIntent(intent) => return self.fold_pay_intent(intent, here),
            Fact::PayAbandoned {
                payee,
                request_id,
                refused,
            } => return self.fold_pay_abandoned(PaymentKey::new(*payee, *request_id), *refused),
            Fact::PaymentSigned {
                pair,
                payee_provider,
            } => return self.fold_payment_signed(pair, payee_provider, here),
            Fact::ReceiptReceived(receipt) => return self.fold_receipt_received(receipt, here),
            Fact::HeldByPayee { payment } => return self.fold_held(*payment),
            Fact::PaymentReceived {
                pair,
                sender_provider,
            } => self.fold_payment_received(pair, sender_provider, here),
            Fact::Collected { payment, receipt } => {
                return self.fold_collected(*payment, receipt, recorded.seq);
            }
            Fact::CollectRefused { payment, refused } => {
                return self.fold_collect_refused(*payment, *refused);
            }

            // what the TA and the owner say of a TA's state and end
            Fact::StatusOpened(status) => return self.fold_status_opened(status),
            Fact::TokenTaken { status } => return self.status.token_taken(*status, at),
            Fact::RetireIntent { ta, nonce } => return self.fold_retire_intent(*ta, *nonce),
            Fact::Retired(retire) => return self.fold_retired(retire),
            Fact::DeathIntent { ta } => return self.fold_death_intent(*ta, at),
            Fact::TaMoved => {}

            // what the server said
            Fact::TokenReceived(token) => {
                self.stamped(token.body().stamp);
                self.status.token_received(token);
            }
            Fact::AccountAnswered(answer) => {
                self.stamped(answer.body().stamp);
                self.account = Some((at, answer.body().clone()));
            }
            Fact::Reported { payment, outcome } => return self.fold_reported(*payment, *outcome),
            Fact::Claimed { payment, outcome } => return self.fold_claimed(*payment, *outcome),
            Fact::HandedIn { payment, outcome } => return self.fold_handed_in(*payment, *outcome),
            Fact::Settled(answer) => self.fold_settled(answer, recorded.seq),
            Fact::RetireAnswered(answer) => return self.fold_retire_answered(answer, at),
            Fact::DeathAnswered(answer) => return self.fold_death_answered(answer, at),
            Fact::MailboxRead { ta, next } => {
                self.mailboxes.insert(*ta, *next);
            }
            Fact::CreditedRead { incarnation, next } => {
                self.credited = Some((*incarnation, *next));
            }
            Fact::LifeSeen { incarnation } => self.fold_life_seen(*incarnation),
            Fact::LifeRemembered { incarnation } => self.fold_life_remembered(*incarnation),
        }

        Some(())
    }
}
