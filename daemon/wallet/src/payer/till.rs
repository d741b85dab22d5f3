//! Who decides over one payment: the person behind the handle, or the policy.

use std::sync::Arc;

use ble_proto::code::Code;
use ble_proto::message::{Memo, Standing};
use ble_proto::payment::payer::{Approval, Approver, Offered, Payer};
use journal::book::PaymentKey;
use journal::{ApprovedBy, Found, JournalError, PayIntent};
use ops_proto::certificate::Certificate;
use ops_proto::contract::{Command, Pin, TaState};
use ops_proto::message::{ReceivedPayment, RequestPayment};
use ops_proto::{Amount, Digest, Signed};
use runtime::clock;
use tokio::sync::mpsc;

use super::ask_ta::{TaWord, ask_to_pay};
use super::check::Question;
use super::policy::PolicyUse;
use crate::handle::{Decision, Teller};
use crate::{Asks, FailureClass, Offer, PaymentEvent, Shared};

/// Who decides, and what is decided so far.
#[derive(Debug)]
pub(super) struct Till {
    teller: Teller,
    decisions: Option<mpsc::Receiver<Decision>>,
    pub(super) found: Found,
    expected: Option<Amount>,
    policy: PolicyUse,
    offered: Option<Box<Offered>>,
    approved_by: Option<ApprovedBy>,
    pin: Option<Pin>,
    /// What the TA says of itself.
    ta: Option<TaState>,
    memo: Option<Memo>,
    /// The TA was asked to pay and has not answered.
    is_asked: bool,
    failure: Option<(FailureClass, String)>,
    paid_requests: PaidRequests,
    /// The person was told that it is paid; later events need not be shown.
    is_told_paid: bool,
}

/// What to do when the offer turns out to be a request that is paid already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaidRequests {
    /// It was aimed at: say so.
    Fail,
    /// Any open request of the payee will do: look for another.
    PassOver,
    /// One was passed over in this visit.
    PassedOver,
}

impl Till {
    pub(super) fn new(
        teller: Teller,
        decisions: mpsc::Receiver<Decision>,
        (found, policy): (Found, PolicyUse),
        (expected, paid_requests): (Option<Amount>, PaidRequests),
        pin: Option<Pin>,
    ) -> Self {
        Self {
            teller,
            decisions: Some(decisions),
            found,
            expected,
            policy,
            offered: None,
            approved_by: None,
            pin,
            ta: None,
            memo: None,
            is_asked: false,
            failure: None,
            paid_requests,
            is_told_paid: false,
        }
    }

    pub(super) fn tell(&self, event: PaymentEvent) {
        self.teller.tell(event);
    }

    /// Tells that it is paid, before deny-lists are passed on.
    pub(super) fn receipt_held(&mut self, payment: Digest, receipt: Signed<ReceivedPayment>) {
        self.is_told_paid = true;
        self.tell(PaymentEvent::Paid { payment, receipt });
    }

    /// Tells how it ended, unless that is known.
    pub(super) fn tell_end(&self, shared: &Shared, event: PaymentEvent) {
        if self.is_told_paid {
            return;
        }
        if let PaymentEvent::Interrupted { payment } = &event {
            let _new = shared.interrupted().insert(*payment);
        }
        self.tell(event);
    }

    /// Returns when nobody follows any more.
    pub(super) async fn unfollowed(&self) {
        self.teller.unfollowed().await;
    }

    /// Returns when the person declines. An approval that comes before the offer is ignored. Cancel safe.
    pub(super) async fn declined(&mut self) {
        loop {
            let Some(decisions) = &mut self.decisions else {
                return std::future::pending().await;
            };
            match decisions.recv().await {
                Some(Decision::Approve(_)) => {}
                Some(Decision::Decline) | None => {
                    self.decisions = None;
                    return;
                }
            }
        }
    }

    /// Forgets an approval that was said before the offer; tells whether the person declined.
    fn was_declined(&mut self) -> bool {
        let decisions = self.decisions.as_mut();
        let said = decisions.and_then(|decisions| decisions.try_recv().ok());
        match said {
            Some(Decision::Decline) => true,
            Some(Decision::Approve(_)) | None => false,
        }
    }

    /// Takes flight ②: chooses what was asked for, and approves if the policy may.
    pub(super) fn offered(&mut self, shared: &Shared, offered: Box<Offered>, machine: &mut Payer) {
        let now = clock::monotonic();
        let tag = self.found.tag();
        let (payee, request) = (offered.payee, offered.request_id);
        shared.payer.remember(tag, payee, request, offered.amount);
        let is_paid = Self::is_paid(shared, &offered);
        if is_paid && self.paid_requests == PaidRequests::PassOver {
            self.paid_requests = PaidRequests::PassedOver;
            machine.handle_declined();
            return;
        }
        if self.was_declined() {
            machine.handle_declined();
            return;
        }
        self.tell(PaymentEvent::Offer(Box::new(Offer::of(&offered, tag))));
        let word = self.word(shared, &offered);
        let question = Question {
            offered: &offered,
            expected: self.expected,
            is_paid,
            ta: self.ta.as_ref(),
        };
        let refused = question.answer(shared).or_else(|| {
            // nobody locks a request that nobody may approve
            let is_forbidden = word.is_none() && self.teller.asks == Asks::Never;

            is_forbidden.then(|| (FailureClass::Forbidden, self.why_not(shared, &offered)))
        });
        self.offered = Some(offered);
        if let Some(failure) = refused {
            self.failure = Some(failure);
            machine.handle_declined();
            return;
        }
        machine.handle_chosen(&mut shared.payer.reveals(), now);
        if let Some(by) = word {
            self.approve(by, machine);
        }
    }

    pub(super) fn show_code(&self, code: Code) {
        self.tell(PaymentEvent::Code(code));
    }

    /// Takes the lock: the person decides, unless that was done before.
    pub(super) fn locked(&mut self, memo: Memo) {
        self.memo = Some(memo.clone());
        let by_policy = match self.approved_by {
            Some(ApprovedBy::Policy | ApprovedBy::Scan) => true,
            Some(ApprovedBy::Person) => self.teller.asks == Asks::Never,
            None => false,
        };
        let offered = self.offered.as_deref();
        let pin = offered.and_then(|offered| self.asks_for_pin(offered));
        self.tell(PaymentEvent::Locked {
            memo,
            by_policy,
            pin,
        });
    }

    /// Takes the person's decision.
    pub(super) fn decide(&mut self, decision: Decision, machine: &mut Payer) {
        self.decisions = None;
        match decision {
            Decision::Approve(pin) => {
                self.pin = pin.or_else(|| self.pin.take());
                self.approve(ApprovedBy::Person, machine);
            }
            Decision::Decline => machine.handle_declined(),
        }
    }

    /// Returns what is recorded before the TA is asked.
    pub(super) fn intent(
        &self,
        request: Signed<RequestPayment>,
        payee_provider: Signed<Certificate>,
    ) -> Option<PayIntent> {
        Some(PayIntent {
            request,
            payee_provider,
            memo: self.memo.clone()?,
            approved_by: self.approved_by?,
            found: self.found.clone(),
        })
    }

    pub(super) fn intent_failed(&mut self, error: &JournalError) {
        self.failure = Some((FailureClass::Internal, error.to_string()));
    }

    /// Asks the TA to pay; its word is in the journal when the future is done.
    pub(super) fn pay(
        &mut self,
        shared: &Arc<Shared>,
        request: Signed<RequestPayment>,
        payee_provider: Signed<Certificate>,
    ) -> impl Future<Output = TaWord> + Send + 'static {
        self.tell(PaymentEvent::Paying);
        self.is_asked = true;
        let shared = Arc::clone(shared);
        let (key, amount) = (PaymentKey::of(request.body()), request.body().amount);
        let command = Command::Pay {
            request,
            payee_provider,
            now: clock::now(),
            pin: self.pin.take(),
        };

        async move { ask_to_pay(&shared, command, key, amount).await }
    }

    /// Takes note that the TA has answered, whatever it said.
    pub(super) const fn answered(&mut self) {
        self.is_asked = false;
    }

    /// Gives up; if the TA was asked and has not answered, it may have paid.
    pub(super) fn given_up(&mut self) {
        if self.is_asked {
            self.unknown();
        }
    }

    pub(super) fn signed(&self, payment: Digest) {
        self.tell(PaymentEvent::Signed { payment });
    }

    pub(super) fn refused(&mut self, sentence: String) {
        self.failure = Some((FailureClass::RefusedByTa, sentence));
    }

    /// Asks the TA what it holds and may pay, and whether it will ask for the PIN.
    pub(super) async fn look_at_ta(&mut self, shared: &Shared) {
        self.ta = crate::pin::inspect(shared).await;
    }

    /// Returns the tries that are left, if the TA will ask for a PIN that nobody has given.
    fn asks_for_pin(&self, offered: &Offered) -> Option<u8> {
        let state = &self.ta.as_ref()?.pin;
        let asks = self.pin.is_none() && state.asks_for(offered.amount);

        asks.then_some(state.tries_left)
    }

    pub(super) fn unknown(&mut self) {
        let message = "the trusted application does not answer; whether it paid is known once it \
                       does: see blepay history, do not pay again";
        self.failure = Some((FailureClass::Unknown, message.to_owned()));
    }

    /// Tells, once, that a paid request was passed over: the search goes on.
    pub(super) fn take_passed_over(&mut self) -> bool {
        let passed_over = self.paid_requests == PaidRequests::PassedOver;
        if passed_over {
            self.paid_requests = PaidRequests::PassOver;
        }

        passed_over
    }

    /// Returns why this side ended the payment, if it did.
    pub(super) fn take_failure(&mut self) -> Option<(FailureClass, String)> {
        self.failure.take()
    }

    fn approve(&mut self, by: ApprovedBy, machine: &mut Payer) {
        let Some(offered) = &self.offered else {
            return;
        };
        self.decisions = None;
        self.approved_by = Some(by);
        let approver = match (by, self.policy) {
            (ApprovedBy::Person, _) => Approver::Person,
            (ApprovedBy::Policy, PolicyUse::Ask | PolicyUse::Named) => Approver::PolicyNamedPayee,
            (ApprovedBy::Policy, PolicyUse::Scanned) | (ApprovedBy::Scan, _) => {
                Approver::PolicyScannedUri
            }
        };
        let approval = Approval {
            payee: offered.payee,
            request: offered.request_id,
            amount: offered.amount,
            by: approver,
        };
        machine.handle_approved(&approval, clock::monotonic());
    }

    /// Tells whether the request is paid, by this device or by another.
    fn is_paid(shared: &Shared, offered: &Offered) -> bool {
        let key = PaymentKey::new(offered.payee, offered.request_id);

        offered.standing == Standing::Paid || shared.has_paid(&key)
    }

    /// Returns who approves what is offered, if nobody has to be asked: the policy, or a person who said the sum of a
    /// scanned request with the order. Another sum was refused before.
    fn word(&self, shared: &Shared, offered: &Offered) -> Option<ApprovedBy> {
        if self.asks_for_pin(offered).is_some() {
            return None;
        }
        let is_said = self.policy == PolicyUse::Scanned
            && self.teller.asks == Asks::Never
            && self.expected == Some(offered.amount);
        if is_said {
            return Some(ApprovedBy::Person);
        }

        self.policy.word(shared, offered)
    }

    /// Says why nothing is paid where nobody may be asked.
    fn why_not(&self, shared: &Shared, offered: &Offered) -> String {
        if self.asks_for_pin(offered).is_some() {
            return PIN_NEEDED.to_owned();
        }

        self.policy.why_not(shared, offered)
    }
}

/// Returns the person's decision once there is something to decide. Cancel safe.
pub(super) async fn decision(till: &mut Option<&mut Till>) -> Decision {
    match till {
        Some(Till {
            decisions: Some(decisions),
            offered: Some(_),
            ..
        }) => decisions.recv().await.unwrap_or(Decision::Decline),
        Some(_) | None => std::future::pending().await,
    }
}

const PIN_NEEDED: &str = "the PIN is asked for: give it with --pin-file, or pay without --yes";
