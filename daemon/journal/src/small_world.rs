//! A small world for tests: few payments and requests, so that facts meet.

use ble_proto::gatt::RequestTag;
use ops_proto::certificate::{Bound, Certificate, Kind, Limits, Role};
use ops_proto::contract::{RequestTerms, TaRefused};
use ops_proto::id::CommandId;
use ops_proto::list::List;
use ops_proto::message::{
    AnswerStamp, BatchAnswer, ItemOutcome, ItemRefused, ListsHeld, NoiseKey, Payment,
    ReceivedPayment, Receiver, RequestPayment, SettlementState, Status,
};
use ops_proto::statement::{ChainEnd, ChainPosition, Moves};
use ops_proto::time::Validity;
use ops_proto::{
    Amount, Balance, Digest, PaymentPair, ProviderId, PublicKey, RequestId, SecretKey, Signed, Time,
};

use super::book::Book;
use super::entry::{Recorded, Seq};
use super::fact::{ApprovedBy, Entry, Fact, Found, NoiseSecretBytes, PayIntent, RequestIntent};

/// A fact of a small world: numbers choose among few payments, requests and outcomes, so that facts meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    pub(super) kind: u8,
    pub(super) which: u8,
    pub(super) what: u8,
    pub(super) at: u64,
}

/// Payments, and requests, in the small world.
pub(super) const FEW: u8 = 4;

pub(super) const DAY_MS: u64 = 24 * 3600 * 1000;

#[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
pub(super) fn fact(drawn: Drawn) -> Fact {
    let Drawn { which, what, .. } = drawn;
    // a second payment of the same request is another one
    let pair = pair(which, what % 2);
    let payment = pair.hash();
    let body = pair.request.body();
    let (payee, request_id) = (body.payee.body().subject, body.request_id);
    let command = CommandId([which; 16]);
    match drawn.kind {
        0 | 1 => Fact::PayIntent(Box::new(PayIntent {
            request: pair.request,
            payee_provider: provider(what % 2),
            memo: "tea".parse().expect("a memo"),
            approved_by: match what {
                0..=2 => ApprovedBy::Policy,
                3..=5 => ApprovedBy::Scan,
                _ => ApprovedBy::Person,
            },
            found: Found::Heard(RequestTag([which; 6])),
        })),
        2 => Fact::PayAbandoned {
            payee,
            request_id,
            refused: (what == 0).then_some(TaRefused::Retired),
        },
        3 => Fact::PaymentSigned {
            pair: Box::new(pair),
            payee_provider: provider(what % 2),
        },
        4 => Fact::PaymentReceived {
            pair: Box::new(pair),
            sender_provider: provider(0),
        },
        5 => Fact::ReceiptReceived(receipt(payment)),
        6 => Fact::HeldByPayee { payment },
        7 => Fact::Collected {
            payment,
            receipt: receipt(payment),
        },
        8 => Fact::CollectRefused {
            payment,
            refused: TaRefused::RequestClosed,
        },
        9 | 10 => Fact::Reported {
            payment,
            outcome: outcome(what),
        },
        11 => Fact::Claimed {
            payment,
            outcome: outcome(what),
        },
        12 => Fact::HandedIn {
            payment,
            outcome: outcome(what),
        },
        13 => Fact::Settled(Box::new(settled(payment, u32::from(what)))),
        14 => Fact::RequestIntent(Box::new(request_intent(which, what))),
        15 => Fact::RequestIssued {
            command,
            request: pair.request,
        },
        16 => Fact::RequestCancelled { payee, request_id },
        17 => Fact::StatusOpened(status(u64::from(what), u64::from(which))),
        18 => Fact::LifeSeen {
            incarnation: u32::from(what),
        },
        19 => Fact::TokenTaken {
            status: status(u64::from(what), u64::from(which)).hash(),
        },
        20 => Fact::PayeeApproved {
            payee,
            name: "Ferry".parse().expect("a name"),
            daily_max: amount(what),
        },
        21 => Fact::CreditedRead {
            incarnation: u32::from(what),
            next: drawn.at,
        },
        _ => match what {
            0 => Fact::TaInitialised {
                ta: key(TA).public_key(),
            },
            1 => Fact::DeathIntent {
                ta: key(TA).public_key(),
            },
            _ => Fact::TaMoved,
        },
    }
}

/// Facts of all kinds, as they may follow each other.
pub(super) fn many_facts() -> Vec<Fact> {
    let kinds = [
        14, 15, 18, 4, 7, 9, 0, 3, 5, 6, 8, 10, 11, 12, 13, 16, 17, 20, 21, 22,
    ];
    let drawn = kinds.into_iter().flat_map(|kind| {
        (0..FEW).flat_map(move |which| {
            [1, 3, 5, 6].map(|what| Drawn {
                kind,
                which,
                what,
                at: 1,
            })
        })
    });

    drawn.map(fact).collect()
}

pub(super) const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

const fn outcome(what: u8) -> ItemOutcome {
    match what {
        0..=2 => WAITING,
        3 | 4 => ItemOutcome::Held(SettlementState::Collected),
        5 => ItemOutcome::Refused(ItemRefused::PayVerify),
        _ => ItemOutcome::Held(SettlementState::Credited),
    }
}

const PROVIDER: u8 = 1;
const TA: u8 = 2;
pub(super) const PAYEE: u8 = 3;

/// A payment for one of few requests; the other payment of the same number is for another request.
pub(super) fn pair(which: u8, other: u8) -> PaymentPair {
    let role = if which.is_multiple_of(2) {
        Role::Client
    } else {
        Role::Ta { limits: limits() }
    };
    let request = Signed::sign(
        RequestPayment {
            payee: certificate(PAYEE, role),
            request_id: RequestId(u64::from(which)),
            amount: amount(other),
            currency: "EUR".parse().expect("a currency"),
            noise_key: NoiseKey([1; 32]),
            memo_hash: Digest::ZERO,
            issued: Time::from_ms(1),
            validity: Validity::try_from(1000).expect("a validity"),
            lists_held: ListsHeld::default(),
            replaces: (which == 1).then_some(RequestId(0)),
            refund_of: (which == 2).then(|| pair(0, 0).hash()),
        },
        &key(PAYEE),
    );
    let payment = Signed::sign(
        Payment {
            sender: certificate(TA, Role::Ta { limits: limits() }),
            position: ChainEnd::START.next(Moves::J),
            amount: amount(other),
            currency: "EUR".parse().expect("a currency"),
            receiver: Receiver::of(request.body()),
            request_id: request.body().request_id,
            request_hash: request.hash(),
            refund_of: request.body().refund_of,
        },
        &key(TA),
    );

    PaymentPair { payment, request }
}

fn request_intent(which: u8, what: u8) -> RequestIntent {
    RequestIntent {
        command: CommandId([which; 16]),
        signer: if which.is_multiple_of(2) {
            Kind::Client
        } else {
            Kind::Ta
        },
        terms: RequestTerms {
            amount: amount(0),
            memo_hash: Digest::ZERO,
            noise_key: NoiseKey([1; 32]),
            issued: Time::from_ms(DAY_MS * u64::from(what % 3)),
            validity: Validity::try_from(DAY_MS).expect("a validity"),
            lists_held: ListsHeld::default(),
            replaces: (which == 1).then_some(RequestId(0)),
            refund_of: None,
        },
        tag: RequestTag([which; 6]),
        noise_secret: NoiseSecretBytes::new([which; 32]),
        entry: Entry::Heard,
        memo: "tea".parse().expect("a memo"),
        salt: [which; 16],
    }
}

fn status(n: u64, mark: u64) -> Signed<Status> {
    let position = ChainPosition {
        n,
        i: 0,
        j: 0,
        previous: Digest::ZERO,
    };

    Signed::sign(
        Status {
            ta: key(PAYEE).public_key(),
            position,
            balance: Balance::ZERO,
            paid_count: 0,
            paid_total: 0,
            collected_count: 0,
            collected_total: 0,
            collected: List::empty(),
            open: List::try_from(vec![RequestId(1)]).expect("one"),
            mark: RequestId(mark),
            nonce: [1; 16],
        },
        &key(PAYEE),
    )
}

fn settled(payment: Digest, incarnation: u32) -> Signed<BatchAnswer> {
    let answer = BatchAnswer {
        items: List::try_from(vec![(payment, WAITING)]).expect("one"),
        stamp: AnswerStamp {
            incarnation,
            sequence: 1,
        },
    };

    Signed::sign(answer, &key(PROVIDER))
}

pub(super) fn receipt(payment: Digest) -> Signed<ReceivedPayment> {
    Signed::sign(ReceivedPayment { payment }, &key(PAYEE))
}

pub(super) fn provider(number: u8) -> Signed<Certificate> {
    let role = Role::Provider {
        answer_key: key(4_u8.saturating_add(number)).public_key(),
        list_key: key(6).public_key(),
        limits_max: limits(),
    };

    certificate(PROVIDER, role)
}

pub(super) fn certificate(subject: u8, role: Role) -> Signed<Certificate> {
    Signed::sign(
        Certificate {
            number: 1,
            provider: ProviderId([1; 16]),
            subject: key(subject).public_key(),
            name: "Ferry".parse().expect("a name"),
            currency: "EUR".parse().expect("a currency"),
            issuer: key(PROVIDER).public_key().id(),
            not_before: Time::from_ms(0),
            not_after: Time::from_ms(u64::MAX),
            role,
        },
        &key(PROVIDER),
    )
}

pub(super) fn limits() -> Limits {
    let bound = Bound {
        warn: 10,
        refuse: 10,
    };

    Limits {
        balance_max: amount(0),
        payment_max: amount(0),
        paid_count: bound,
        paid_total: bound,
        collected_count: bound,
        collected_total: bound,
    }
}

pub(super) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(super) fn amount(more: u8) -> Amount {
    Amount::try_from(1250 + u64::from(more)).expect("an amount")
}

#[test]
fn facts_of_the_small_world_are_all_taken_by_some_book() {
    let mut book = Book::default();
    for (seq, kind) in (1_u64..).zip([14, 15, 4, 7, 9, 0, 3, 5, 13, 17, 18, 20]) {
        let drawn = Drawn {
            kind,
            which: 1,
            what: 0,
            at: 1,
        };
        book.apply(&Recorded {
            seq: Seq(seq),
            at: Time::from_ms(1),
            mark: None,
            fact: fact(drawn),
        });
    }

    assert!(book.contradictions().is_empty());
    assert_eq!((book.outgoing().count(), book.incoming().count()), (1, 1));
    let unknown = PublicKey([9; 32]);
    assert!(book.requests_unclosed(&unknown).is_empty());
}
