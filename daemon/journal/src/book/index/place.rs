//! Where payments and requests are found without looking at all of them: each has places in one ordered set, and weights in
//! sums. Both follow from the payment or request alone, so that a change moves exactly what it changed.

use ble_proto::gatt::RequestTag;
use ops_proto::certificate::Kind;
use ops_proto::id::CommandId;
use ops_proto::message::{ItemOutcome, SettlementState};
use ops_proto::{Digest, PublicKey, RequestId, Time};

use crate::book::payment::{Incoming, IncomingStage, Outgoing, OutgoingStage, PaymentKey};
use crate::book::request::{Request, RequestShown};
use crate::fact::ApprovedBy;

/// A payment of this device, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PaymentRef {
    Sent(PaymentKey),
    /// By the hash of P.
    Received(Digest),
}

impl PaymentRef {
    pub(in crate::book) const FIRST: Self =
        Self::Sent(PaymentKey::new(PublicKey([0; 32]), RequestId(0)));
    pub(in crate::book) const LAST: Self = Self::Received(Digest([u8::MAX; 32]));
}

/// One place. The order of the variants and of their fields is the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::book) enum IndexPlace {
    /// Every payment, by time.
    Payment(Time, PaymentRef),
    /// Every signed request, by time.
    Request(Time, CommandId),
    /// Payments by this device, by the hash of P.
    SentHash(Digest, PaymentKey),
    /// Payments by this device that the TA has not signed.
    Unsigned(PaymentKey),
    /// Payments to this device, by the hash of P.
    Received(Digest),
    /// Signed requests, by the key they were issued under and their number.
    RequestKey(PublicKey, RequestId, CommandId),
    /// Signed requests, by their number alone: a client's random one may repeat a TA's.
    RequestNumber(RequestId, Time, CommandId),
    /// Signed requests, by what is advertised.
    RequestTag(RequestTag, CommandId),
    /// Requests, by the one that they replace.
    Replacement(PublicKey, RequestId, Time, CommandId),
    /// Payments that give money of an earlier one back, by that one; none that was given up.
    Refund(Digest, PaymentRef),
    /// Requests that are shown as open, by the end of their validity.
    OpenUntil(Time, CommandId),
    /// Requests that a TA issued and that it keeps open as far as is known, by TA and number.
    Unclosed(PublicKey, RequestId, CommandId),
    /// Payments that were approved and that the TA has not signed.
    Approved(PaymentKey),
    /// Payments whose payee is to be sent the pair again.
    ToResume(PaymentKey),
    /// Payments that came and that nobody has credited or refused.
    ToCredit(Digest),
    /// Signed payments, by the life in which the server answered their report last.
    Reported(Option<u32>, PaymentRef),
    /// Those of them whose money waits at the server.
    Waiting(Option<u32>, PaymentRef),
    /// Payments to be claimed that never were.
    Unclaimed(Digest),
    /// Payments that were claimed and whose money waits at the server.
    ClaimWaiting(Digest),
    /// Payments whose claim has an answer, by the life in which it was given.
    Claimed(u32, Digest),
    /// Payments of which the server will never honour the report or the claim.
    Refused(PaymentRef),
    /// Payments by this device, by the tag of the request as it was found.
    SentTag(RequestTag, PaymentKey),
}

impl IndexPlace {
    /// Returns the request that is found here, by its intent.
    pub(in crate::book) const fn command(self) -> Option<CommandId> {
        match self {
            Self::Request(_, command)
            | Self::RequestKey(_, _, command)
            | Self::RequestNumber(_, _, command)
            | Self::RequestTag(_, command)
            | Self::Replacement(_, _, _, command)
            | Self::OpenUntil(_, command)
            | Self::Unclosed(_, _, command) => Some(command),
            Self::Payment(..)
            | Self::SentHash(..)
            | Self::Unsigned(_)
            | Self::SentTag(..)
            | Self::Received(_)
            | Self::Refund(..)
            | Self::Approved(_)
            | Self::ToResume(_)
            | Self::ToCredit(_)
            | Self::Reported(..)
            | Self::Waiting(..)
            | Self::Unclaimed(_)
            | Self::ClaimWaiting(_)
            | Self::Claimed(..)
            | Self::Refused(_) => None,
        }
    }

    /// Returns the payment that is found here.
    pub(in crate::book) const fn payment(self) -> Option<PaymentRef> {
        match self {
            Self::Payment(_, payment)
            | Self::Refund(_, payment)
            | Self::Reported(_, payment)
            | Self::Waiting(_, payment)
            | Self::Refused(payment) => Some(payment),
            Self::SentHash(_, key)
            | Self::SentTag(_, key)
            | Self::Unsigned(key)
            | Self::Approved(key)
            | Self::ToResume(key) => Some(PaymentRef::Sent(key)),
            Self::Received(hash)
            | Self::ToCredit(hash)
            | Self::Unclaimed(hash)
            | Self::ClaimWaiting(hash)
            | Self::Claimed(_, hash) => Some(PaymentRef::Received(hash)),
            Self::Request(..)
            | Self::RequestKey(..)
            | Self::RequestNumber(..)
            | Self::RequestTag(..)
            | Self::Replacement(..)
            | Self::OpenUntil(..)
            | Self::Unclosed(..) => None,
        }
    }
}

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::book) enum Sum {
    /// Minor units paid to a payee on a day, without a person, because its owner named it.
    Named(u64, PublicKey),
    /// Minor units paid on a day by scanning.
    Scanned(u64),
    /// Payments whose money left and of which nobody has confirmed where it is.
    Unacknowledged,
    /// Signed payments that no report has an answer for.
    Unreported,
    /// Payments whose money waits at the server, as the last report said.
    Waiting,
    /// Payments to be claimed, first or again.
    ClaimsDue,
    /// Payments to be claimed that never were.
    Unclaimed,
}

/// The places of a payment or request, and what it adds to sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) places: Vec<IndexPlace>,
    pub(super) sums: Vec<(Sum, u64)>,
}

impl Marks {
    fn place(&mut self, place: IndexPlace) {
        self.places.push(place);
    }

    fn place_if(&mut self, holds: bool, place: IndexPlace) {
        if holds {
            self.places.push(place);
        }
    }

    fn count_if(&mut self, holds: bool, sum: Sum) {
        if holds {
            self.sums.push((sum, 1));
        }
    }

    /// The places of a payment by this device.
    pub(super) fn of_sent(key: PaymentKey, payment: &Outgoing) -> Self {
        let mut marks = Self::default();
        let this = PaymentRef::Sent(key);
        let request = payment.request.body();
        marks.place(IndexPlace::Payment(payment.at, this));
        if let Some(found) = &payment.found {
            marks.place(IndexPlace::SentTag(found.tag(), key));
        }
        if let Some(pair) = &payment.pair {
            marks.place(IndexPlace::SentHash(pair.hash(), key));
            marks.report(this, payment.report, payment.reported_in);
        } else {
            marks.place(IndexPlace::Unsigned(key));
        }
        let stage = payment.stage();
        marks.place_if(stage == OutgoingStage::Approved, IndexPlace::Approved(key));
        marks.place_if(payment.is_to_resume(), IndexPlace::ToResume(key));
        marks.place_if(is_refused(payment.report), IndexPlace::Refused(this));
        marks.count_if(payment.is_unacknowledged(), Sum::Unacknowledged);
        if !payment.is_abandoned() {
            if let Some(of) = request.refund_of {
                marks.place(IndexPlace::Refund(of, this));
            }
            let amount = request.amount.minor_units();
            let day = day(payment.at);
            match payment.approved_by {
                ApprovedBy::Person => {}
                ApprovedBy::Policy => marks.sums.push((Sum::Named(day, key.payee), amount)),
                ApprovedBy::Scan => marks.sums.push((Sum::Scanned(day), amount)),
            }
        }

        marks
    }

    /// The places of a payment to this device.
    pub(super) fn of_received(hash: Digest, payment: &Incoming) -> Self {
        let mut marks = Self::default();
        let this = PaymentRef::Received(hash);
        marks.place(IndexPlace::Payment(payment.at, this));
        marks.place(IndexPlace::Received(hash));
        if let Some(of) = payment.pair.payment.body().refund_of {
            marks.place(IndexPlace::Refund(of, this));
        }
        marks.report(this, payment.report, payment.reported_in);
        let is_open = payment.stage() == IncomingStage::Received;
        marks.place_if(is_open, IndexPlace::ToCredit(hash));
        let refused = is_refused(payment.report) || is_refused(payment.claim);
        marks.place_if(refused, IndexPlace::Refused(this));
        marks.count_if(payment.is_claim_due(), Sum::ClaimsDue);
        if payment.is_for_claim() {
            match payment.claim {
                None => {
                    marks.place(IndexPlace::Unclaimed(hash));
                    marks.sums.push((Sum::Unclaimed, 1));
                }
                Some(outcome) => {
                    marks.place(IndexPlace::Claimed(payment.claimed_in, hash));
                    marks.place_if(is_waiting(outcome), IndexPlace::ClaimWaiting(hash));
                }
            }
        }

        marks
    }

    /// The places of a request: none before it is signed.
    pub(super) fn of_request(command: CommandId, request: &Request) -> Self {
        let mut marks = Self::default();
        let Some((payee, id)) = request.key() else {
            return marks;
        };
        let terms = &request.intent.terms;
        marks.place(IndexPlace::Request(request.at, command));
        marks.place(IndexPlace::RequestKey(payee, id, command));
        marks.place(IndexPlace::RequestNumber(id, request.at, command));
        marks.place(IndexPlace::RequestTag(request.intent.tag, command));
        if let Some(replaced) = terms.replaces {
            marks.place(IndexPlace::Replacement(
                payee, replaced, request.at, command,
            ));
        }
        let is_open = request.shown == RequestShown::Open && !request.is_closed;
        marks.place_if(
            is_open,
            IndexPlace::OpenUntil(request.valid_until(), command),
        );
        let may_be_open = match request.shown {
            RequestShown::Open | RequestShown::Cancelled => !request.is_closed,
            RequestShown::Paid => false,
        };
        let is_kept = request.intent.signer == Kind::Ta && may_be_open;
        marks.place_if(is_kept, IndexPlace::Unclosed(payee, id, command));

        marks
    }

    fn report(&mut self, this: PaymentRef, report: Option<ItemOutcome>, reported_in: u32) {
        let life = report.map(|_| reported_in);
        let waits = report.is_some_and(is_waiting);
        self.place(IndexPlace::Reported(life, this));
        self.place_if(waits, IndexPlace::Waiting(life, this));
        self.count_if(report.is_none(), Sum::Unreported);
        self.count_if(waits, Sum::Waiting);
    }
}

const fn is_waiting(outcome: ItemOutcome) -> bool {
    matches!(outcome, ItemOutcome::Held(SettlementState::Waiting))
}

const fn is_refused(outcome: Option<ItemOutcome>) -> bool {
    matches!(outcome, Some(ItemOutcome::Refused(_)))
}

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The day (UTC) of an instant.
pub(in crate::book) fn day(at: Time) -> u64 {
    at.as_ms().checked_div(DAY_MS).unwrap_or_default()
}
