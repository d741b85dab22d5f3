//! Payments, both ways: P never stands without its R.

use std::sync::Arc;

use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::TaRefused;
use ops_proto::limits::BATCH_PAIRS_MAX;
use ops_proto::message::{
    BatchAnswer, ItemOutcome, ReceivedPayment, RequestPayment, SettlementState,
};
use ops_proto::statement::Statement;
use ops_proto::{Amount, Digest, PaymentPair, PublicKey, RequestId, Signed, Time};

use super::Book;
use crate::journal::fact::{ApprovedBy, Found, PayIntent};

/// What names a payment before P exists: one request of one payee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentKey {
    /// The payee's key.
    pub payee: PublicKey,
    /// The payee's number of the request.
    pub request_id: RequestId,
}

/// A payment by this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// R.
    pub request: Signed<RequestPayment>,
    /// The certificate of the payee's provider.
    pub payee_provider: Signed<Certificate>,
    /// What the payee said it is for; empty when only the TA remembered the payment.
    pub memo: String,
    /// Who approved.
    pub approved_by: ApprovedBy,
    /// How the payee is found again; `None` when only the TA remembered the payment.
    pub found: Option<Found>,
    /// When it was approved.
    pub at: Time,
    /// P and R, once the TA has debited itself.
    pub pair: Option<PaymentPair>,
    /// The receipt, and when it came.
    pub receipt: Option<(Signed<ReceivedPayment>, Time)>,
    /// The payee said that it holds the payment without crediting it.
    pub held: bool,
    /// The TA did not pay, and why if it refused.
    pub abandoned: Option<Option<TaRefused>>,
    /// What the server said last.
    pub report: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub reported_in: u32,
    /// What the server said when this device handed P in for a payee that did not answer, and in which
    /// of its lives.
    pub handed_in: Option<(u32, ItemOutcome)>,
}

/// How far a payment by this device is, without what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingStage {
    /// It was approved; the TA has not signed P. After a restart it is not taken up again.
    Approved,
    /// The TA did not pay.
    Abandoned,
    /// The TA signed P; (P, R) is sent again, byte for byte, whenever the payee is met.
    Signed,
    /// The payee said that it holds the payment without crediting it.
    Held,
    /// The receipt is here.
    Receipted,
}

/// A payment to this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// P and R.
    pub pair: PaymentPair,
    /// The certificate of the sender's provider.
    pub sender_provider: Signed<Certificate>,
    /// When it came.
    pub at: Time,
    /// The receipt, once credited.
    pub receipt: Option<Signed<ReceivedPayment>>,
    /// Why the TA cannot credit it.
    pub collect_refused: Option<TaRefused>,
    /// What the server said to the last report.
    pub report: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub reported_in: u32,
    /// What the server said to the last claim.
    pub claim: Option<ItemOutcome>,
    /// In which of its lives the server said so.
    pub claimed_in: u32,
}

/// How far a payment to this device is, without what the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingStage {
    /// P and R are here.
    Received,
    /// The TA refused to credit it.
    Refused,
    /// It is credited, and the receipt signed.
    Credited,
}

impl PaymentKey {
    /// Returns the key of one request.
    #[must_use]
    pub const fn new(payee: PublicKey, request_id: RequestId) -> Self {
        Self { payee, request_id }
    }

    /// Returns the key of the payment for this request.
    #[must_use]
    pub fn of(request: &RequestPayment) -> Self {
        Self::new(request.payee.body().subject, request.request_id)
    }
}

impl Outgoing {
    /// A payment of which nothing is known but the request.
    pub(super) fn unsigned(
        request: &Signed<RequestPayment>,
        payee_provider: &Signed<Certificate>,
        at: Time,
    ) -> Self {
        Self {
            request: request.clone(),
            payee_provider: payee_provider.clone(),
            memo: String::new(),
            approved_by: ApprovedBy::Person,
            found: None,
            at,
            pair: None,
            receipt: None,
            held: false,
            abandoned: None,
            report: None,
            reported_in: 0,
            handed_in: None,
        }
    }

    /// Returns the payee's key.
    #[must_use]
    pub fn payee(&self) -> PublicKey {
        self.request.body().payee.body().subject
    }

    /// Returns what was asked, and paid.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.request.body().amount
    }

    /// Returns how far it is.
    #[must_use]
    pub const fn stage(&self) -> OutgoingStage {
        match (&self.pair, &self.receipt) {
            (None, _) if self.abandoned.is_some() => OutgoingStage::Abandoned,
            (None, _) => OutgoingStage::Approved,
            (Some(_), Some(_)) => OutgoingStage::Receipted,
            (Some(_), None) if self.held => OutgoingStage::Held,
            (Some(_), None) => OutgoingStage::Signed,
        }
    }

    /// Tells whether the TA did not pay.
    #[must_use]
    pub const fn is_abandoned(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Abandoned)
    }

    /// Tells whether the money left and nobody has confirmed where it is: no receipt, and the server
    /// has not said that it is credited or collected.
    #[must_use]
    pub const fn is_unacknowledged(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Signed | OutgoingStage::Held) && !self.is_settled()
    }

    /// Tells whether the payee is to be sent the pair again when it is met.
    #[must_use]
    pub const fn is_to_resume(&self) -> bool {
        matches!(self.stage(), OutgoingStage::Signed) && !self.is_settled()
    }

    /// Tells whether the server said that the money has arrived.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        let handed_in = match self.handed_in {
            Some((_, outcome)) => Some(outcome),
            None => None,
        };

        is_settled(self.report) || is_settled(handed_in)
    }
}

impl Incoming {
    /// Returns how far it is; a refusal that a later success overtook counts no more.
    #[must_use]
    pub const fn stage(&self) -> IncomingStage {
        match (&self.receipt, &self.collect_refused) {
            (Some(_), _) => IncomingStage::Credited,
            (None, Some(_)) => IncomingStage::Refused,
            (None, None) => IncomingStage::Received,
        }
    }

    /// Returns what the receiver is: the TA, or the client key.
    #[must_use]
    pub fn receiver(&self) -> Kind {
        self.pair.payment.body().receiver.kind
    }

    /// Tells whether the money is claimed online: the receiver is the client, or the TA cannot credit
    /// it.
    #[must_use]
    pub fn is_for_claim(&self) -> bool {
        match self.receiver() {
            Kind::Client => true,
            Kind::Ta => self.stage() == IncomingStage::Refused,
            Kind::Provider => false,
        }
    }

    /// Tells whether a claim is still to be made, or asked for again.
    #[must_use]
    pub fn is_claim_due(&self) -> bool {
        self.is_for_claim() && is_due(self.claim)
    }

    /// Tells whether the money is where it belongs: in the TA, or credited online.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        is_settled(self.claim) || is_settled(self.report)
    }
}

const fn is_settled(outcome: Option<ItemOutcome>) -> bool {
    match outcome {
        Some(ItemOutcome::Held(
            SettlementState::Credited | SettlementState::Collected | SettlementState::Waived,
        )) => true,
        Some(ItemOutcome::Held(SettlementState::Waiting) | ItemOutcome::Refused(_)) | None => false,
    }
}

/// Whether to ask (again): never asked, or the server said that the money waits.
const fn is_due(outcome: Option<ItemOutcome>) -> bool {
    match outcome {
        None | Some(ItemOutcome::Held(SettlementState::Waiting)) => true,
        Some(
            ItemOutcome::Held(
                SettlementState::Credited | SettlementState::Collected | SettlementState::Waived,
            )
            | ItemOutcome::Refused(_),
        ) => false,
    }
}

impl Book {
    /// Returns every payment by this device, by payee and request.
    pub fn outgoing(&self) -> impl Iterator<Item = (&PaymentKey, &Outgoing)> {
        self.outgoing.iter()
    }

    /// Returns one payment by this device.
    #[must_use]
    pub fn outgoing_of(&self, key: &PaymentKey) -> Option<&Outgoing> {
        self.outgoing.get(key)
    }

    /// Returns one payment by this device, by the hash of P.
    #[must_use]
    pub fn outgoing_by_hash(&self, payment: &Digest) -> Option<&Outgoing> {
        self.outgoing.get(self.outgoing_by_hash.get(payment)?)
    }

    /// Tells whether this payee asked for something else under the same number before.
    ///
    /// A number stands for one request, for ever; ask before a request is approved or paid.
    #[must_use]
    pub fn knows_otherwise(&self, request: &Signed<RequestPayment>) -> bool {
        self.outgoing_of(&PaymentKey::of(request.body()))
            .is_some_and(|held| held.request != *request)
    }

    /// Returns every payment to this device, by the hash of P.
    pub fn incoming(&self) -> impl Iterator<Item = (&Digest, &Incoming)> {
        self.incoming.iter()
    }

    /// Returns one payment to this device, by the hash of P.
    #[must_use]
    pub fn incoming_by_hash(&self, payment: &Digest) -> Option<&Incoming> {
        self.incoming.get(payment)
    }

    /// Returns the payments by this device that are to be sent again when their payee is met.
    pub fn to_resume(&self) -> impl Iterator<Item = &Outgoing> {
        self.outgoing
            .values()
            .filter(|payment| payment.is_to_resume())
    }

    /// Returns pairs to report, both ways, at most one batch: those that the server has not seen, in
    /// this life of its, first, then those that it said are waiting.
    #[must_use]
    pub fn reports_due(&self) -> Vec<PaymentPair> {
        let life = self.life();
        let both = || {
            let outgoing = self.outgoing.values().filter_map(|payment| {
                let pair = payment.pair.as_ref()?;
                Some((pair, payment.report, payment.reported_in))
            });
            let incoming = self
                .incoming
                .values()
                .map(|payment| (&payment.pair, payment.report, payment.reported_in));
            outgoing.chain(incoming)
        };
        let is_seen =
            |report: Option<ItemOutcome>, reported_in| report.is_some() && reported_in >= life;
        let unseen = both().filter(|(_, report, reported_in)| !is_seen(*report, *reported_in));
        let waiting = both()
            .filter(|(_, report, reported_in)| is_seen(*report, *reported_in) && is_due(*report));

        unseen
            .chain(waiting)
            .map(|(pair, _, _)| pair.clone())
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Tells whether the server has answered a report of this payment in this life of its.
    #[must_use]
    pub fn is_reported(&self, payment: &Digest) -> bool {
        let life = self.life();
        let incoming = self.incoming.get(payment);
        let incoming = incoming.map(|held| held.report.is_some() && held.reported_in >= life);
        let outgoing = self.outgoing_by_hash(payment);
        let outgoing = outgoing.map(|held| held.report.is_some() && held.reported_in >= life);

        [incoming, outgoing].into_iter().flatten().all(|seen| seen)
    }

    /// Tells whether the server has answered a claim of this payment in this life of its.
    #[must_use]
    pub fn is_claimed(&self, payment: &Digest) -> bool {
        let life = self.life();

        self.incoming
            .get(payment)
            .is_some_and(|held| held.claim.is_some() && held.claimed_in >= life)
    }

    /// Returns pairs to claim, at most one batch: those never claimed first.
    #[must_use]
    pub fn claims_due(&self) -> Vec<PaymentPair> {
        let life = self.life();
        let due = || {
            self.incoming.values().filter(|payment| {
                let lost = payment.claim.is_some() && payment.claimed_in < life;

                payment.is_claim_due() || (payment.is_for_claim() && lost)
            })
        };
        let first = due().filter(|payment| payment.claim.is_none());
        let again = due().filter(|payment| payment.claim.is_some());

        first
            .chain(again)
            .map(|payment| payment.pair.clone())
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Returns payments by this device to a payee of its own provider who has not answered for
    /// `answer_ms`, and that the server was not handed yet, at most one batch.
    #[must_use]
    pub fn undelivered(&self, now: Time, answer_ms: u64) -> Vec<PaymentPair> {
        let life = self.life();
        let own = self
            .enrolled
            .as_ref()
            .map(|enrolled| enrolled.provider.body().provider);
        self.outgoing
            .values()
            .filter(|payment| payment.is_to_resume() && now.ms_since(payment.at) >= answer_ms)
            .filter(|payment| payment.handed_in.is_none_or(|(told, _)| told < life))
            .filter_map(|payment| payment.pair.clone())
            .filter(|pair| Some(pair.payment.body().receiver.provider) == own)
            .take(BATCH_PAIRS_MAX)
            .collect()
    }

    /// Returns the server's signed word that holds the last state of a payment: anyone can verify it
    /// with the provider's answer key.
    #[must_use]
    pub fn settlement_of(&self, payment: &Digest) -> Option<&Signed<BatchAnswer>> {
        self.settlements.get(payment).map(|answer| &**answer)
    }

    fn life(&self) -> u32 {
        self.lives.seen().unwrap_or(0)
    }

    pub(super) fn fold_pay_intent(&mut self, intent: &PayIntent, at: Time) -> Option<()> {
        let key = PaymentKey::of(intent.request.body());
        if let Some(held) = self.outgoing.get_mut(&key) {
            // approved again after the TA refused, or again before it answered: the same request only
            if held.request != intent.request {
                return None;
            }
            if held.pair.is_none() {
                held.abandoned = None;
                held.approved_by = intent.approved_by;
                held.memo = intent.memo.as_str().to_owned();
                held.found = Some(intent.found.clone());
                held.at = at;
            }
            return Some(());
        }
        self.remember_provider(&intent.payee_provider);
        let _none = self.outgoing.insert(
            key,
            Outgoing {
                memo: intent.memo.as_str().to_owned(),
                approved_by: intent.approved_by,
                found: Some(intent.found.clone()),
                ..Outgoing::unsigned(&intent.request, &intent.payee_provider, at)
            },
        );

        Some(())
    }

    pub(super) fn fold_pay_abandoned(
        &mut self,
        key: PaymentKey,
        refused: Option<TaRefused>,
    ) -> Option<()> {
        let payment = self.outgoing.get_mut(&key)?;
        if payment.pair.is_some() {
            return None;
        }
        payment.abandoned = Some(refused);

        Some(())
    }

    pub(super) fn fold_payment_signed(
        &mut self,
        pair: &PaymentPair,
        payee_provider: &Signed<Certificate>,
        at: Time,
    ) -> Option<()> {
        self.remember_provider(payee_provider);
        let key = PaymentKey::of(pair.request.body());
        let payment = self
            .outgoing
            .entry(key)
            .or_insert_with(|| Outgoing::unsigned(&pair.request, payee_provider, at));
        if let Some(held) = &payment.pair {
            return (held == pair).then_some(());
        }
        if payment.request != pair.request {
            // what the TA signed is what was paid, whatever was intended
            payment.request = pair.request.clone();
            payment.payee_provider = payee_provider.clone();
            payment.memo = String::new();
            payment.found = None;
        }
        payment.pair = Some(pair.clone());
        let _none = self.outgoing_by_hash.insert(pair.hash(), key);
        self.status.stated(Statement::Payment(pair.clone()));

        Some(())
    }

    pub(super) fn fold_receipt_received(
        &mut self,
        receipt: &Signed<ReceivedPayment>,
        at: Time,
    ) -> Option<()> {
        let payment = self.outgoing_mut(receipt.body().payment)?;
        if payment.receipt.is_none() {
            payment.receipt = Some((receipt.clone(), at));
        }

        Some(())
    }

    pub(super) fn fold_held(&mut self, payment: Digest) -> Option<()> {
        self.outgoing_mut(payment)?.held = true;

        Some(())
    }

    pub(super) fn fold_payment_received(
        &mut self,
        pair: &PaymentPair,
        sender_provider: &Signed<Certificate>,
        at: Time,
    ) {
        self.remember_provider(sender_provider);
        let hash = pair.hash();
        let body = pair.payment.body();
        let (payee, request_id) = (body.receiver.key, body.request_id);
        let _held = self.incoming.entry(hash).or_insert_with(|| Incoming {
            pair: pair.clone(),
            sender_provider: sender_provider.clone(),
            at,
            receipt: None,
            collect_refused: None,
            report: None,
            reported_in: 0,
            claim: None,
            claimed_in: 0,
        });
        self.request_paid(&payee, request_id, hash);
    }

    pub(super) fn fold_collected(
        &mut self,
        payment: Digest,
        receipt: &Signed<ReceivedPayment>,
    ) -> Option<()> {
        let incoming = self.incoming.get_mut(&payment)?;
        if let Some(held) = &incoming.receipt {
            return (held == receipt).then_some(());
        }
        incoming.receipt = Some(receipt.clone());

        Some(())
    }

    pub(super) fn fold_collect_refused(
        &mut self,
        payment: Digest,
        refused: TaRefused,
    ) -> Option<()> {
        self.incoming.get_mut(&payment)?.collect_refused = Some(refused);

        Some(())
    }

    /// A device may be both ends of a payment (client and TA of one owner): the answer is both's.
    pub(super) fn fold_reported(&mut self, payment: Digest, outcome: ItemOutcome) -> Option<()> {
        let life = self.life();
        let mut known = None;
        if let Some(incoming) = self.incoming.get_mut(&payment) {
            incoming.report = Some(outcome);
            incoming.reported_in = life;
            known = Some(());
        }
        if let Some(outgoing) = self.outgoing_mut(payment) {
            outgoing.report = Some(outcome);
            outgoing.reported_in = life;
            known = Some(());
        }

        known
    }

    pub(super) fn fold_claimed(&mut self, payment: Digest, outcome: ItemOutcome) -> Option<()> {
        let life = self.life();
        let incoming = self.incoming.get_mut(&payment)?;
        incoming.claim = Some(outcome);
        incoming.claimed_in = life;

        Some(())
    }

    pub(super) fn fold_handed_in(&mut self, payment: Digest, outcome: ItemOutcome) -> Option<()> {
        let life = self.life();
        self.outgoing_mut(payment)?.handed_in = Some((life, outcome));

        Some(())
    }

    pub(super) fn fold_settled(&mut self, answer: &Signed<BatchAnswer>) {
        self.stamped(answer.body().stamp);
        let shared = Arc::new(answer.clone());
        for (payment, _) in answer.body().items.iter() {
            let _before = self.settlements.insert(*payment, Arc::clone(&shared));
        }
    }

    fn outgoing_mut(&mut self, payment: Digest) -> Option<&mut Outgoing> {
        let key = self.outgoing_by_hash.get(&payment)?;

        self.outgoing.get_mut(key)
    }
}
