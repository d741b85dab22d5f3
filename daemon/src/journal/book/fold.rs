//! What each kind of fact changes, by the part of the book that it belongs to.
//!
//! The dispatch in the book names every fact once; a fact in the wrong group is a contradiction.

use ops_proto::Time;

use super::{Book, PaymentKey};
use crate::journal::fact::Fact;

impl Book {
    pub(super) fn fold_identity(&mut self, fact: &Fact) -> Option<()> {
        if let Fact::Enrolled(enrolled) = fact {
            self.fold_enrolled(enrolled);
            return Some(());
        }
        if let Fact::ProviderSeen(provider) = fact {
            self.remember_provider(provider);
            return Some(());
        }
        if let Fact::ClientKeyMade { client, name } = fact {
            return self.fold_client_key(*client, name);
        }
        if let Fact::ClientRegistered(chain) = fact {
            return self.fold_client_chain(chain);
        }
        if let Fact::TaInitialised { ta } = fact {
            return self.fold_ta_key(*ta);
        }
        if let Fact::TaRegistered(chain) = fact {
            return self.fold_ta_registered(chain);
        }
        if let Fact::TaCertified(chain) = fact {
            return self.fold_ta_certified(chain);
        }
        if let Fact::PayeeApproved {
            payee,
            name,
            daily_max,
        } = fact
        {
            self.fold_payee_approved(*payee, name, *daily_max);
            return Some(());
        }
        if let Fact::PayeeApprovalEnded { payee } = fact {
            return self.approved.remove(payee).map(|_| ());
        }

        None
    }

    /// Money between the device and the online account.
    pub(super) fn fold_movement(&mut self, fact: &Fact, at: Time) -> Option<()> {
        if let Fact::DepositIntent { command, amount } = fact {
            return self.fold_deposit_intent(*command, *amount, at);
        }
        if let Fact::DepositOpened { command, open } = fact {
            return self.fold_deposit_opened(*command, open, at);
        }
        if let Fact::DepositAnswered(answer) = fact {
            return self.fold_deposit_answered(answer);
        }
        if let Fact::DepositClosed { i, balance } = fact {
            return self.fold_deposit_closed(*i, *balance);
        }
        if let Fact::WithdrawIntent { command, amount } = fact {
            return self.fold_withdraw_intent(*command, *amount, at);
        }
        if let Fact::Withdrawn { command, withdraw } = fact {
            return self.fold_withdrawn(*command, withdraw, at);
        }
        if let Fact::WithdrawAcknowledged(ack) = fact {
            return self.fold_withdraw_acknowledged(ack);
        }
        if let Fact::WithdrawClosed { i, balance } = fact {
            return self.fold_withdraw_closed(*i, *balance);
        }

        None
    }

    pub(super) fn fold_payment(&mut self, fact: &Fact, at: Time) -> Option<()> {
        if let Fact::PayIntent(intent) = fact {
            return self.fold_pay_intent(intent, at);
        }
        if let Fact::PayAbandoned {
            payee,
            request_id,
            refused,
        } = fact
        {
            return self.fold_pay_abandoned(PaymentKey::new(*payee, *request_id), *refused);
        }
        if let Fact::PaymentSigned {
            pair,
            payee_provider,
        } = fact
        {
            return self.fold_payment_signed(pair, payee_provider, at);
        }
        if let Fact::ReceiptReceived(receipt) = fact {
            return self.fold_receipt_received(receipt, at);
        }
        if let Fact::HeldByPayee { payment } = fact {
            return self.fold_held(*payment);
        }
        if let Fact::PaymentReceived {
            pair,
            sender_provider,
        } = fact
        {
            self.fold_payment_received(pair, sender_provider, at);
            return Some(());
        }
        if let Fact::Collected { payment, receipt } = fact {
            return self.fold_collected(*payment, receipt);
        }
        if let Fact::CollectRefused { payment, refused } = fact {
            return self.fold_collect_refused(*payment, *refused);
        }

        None
    }

    /// What the server said.
    pub(super) fn fold_answer(&mut self, fact: &Fact, at: Time) -> Option<()> {
        if let Fact::TokenReceived(token) = fact {
            self.stamped(token.body().stamp);
            self.status.token_received(token);
            return Some(());
        }
        if let Fact::AccountAnswered(answer) = fact {
            self.stamped(answer.body().stamp);
            self.account = Some((at, answer.body().clone()));
            return Some(());
        }
        if let Fact::Reported { payment, outcome } = fact {
            return self.fold_reported(*payment, *outcome);
        }
        if let Fact::Claimed { payment, outcome } = fact {
            return self.fold_claimed(*payment, *outcome);
        }
        if let Fact::HandedIn { payment, outcome } = fact {
            return self.fold_handed_in(*payment, *outcome);
        }
        if let Fact::Settled(answer) = fact {
            self.fold_settled(answer);
            return Some(());
        }
        if let Fact::RetireAnswered(answer) = fact {
            return self.fold_retire_answered(answer, at);
        }
        if let Fact::DeathAnswered(answer) = fact {
            return self.fold_death_answered(answer, at);
        }
        if let Fact::MailboxRead { ta, next } = fact {
            let _before = self.mailboxes.insert(*ta, *next);
            return Some(());
        }
        if let Fact::LifeSeen { incarnation } = fact {
            self.fold_life_seen(*incarnation);
            return Some(());
        }
        if let Fact::LifeRemembered { incarnation } = fact {
            self.fold_life_remembered(*incarnation);
            return Some(());
        }

        None
    }

    /// Returns where to go on asking the mailbox of a TA; 0 at first.
    #[must_use]
    pub fn mailbox_next(&self, ta: &ops_proto::PublicKey) -> u64 {
        self.mailboxes.get(ta).copied().unwrap_or(0)
    }
}
