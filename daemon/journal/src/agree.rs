//! The book on disk says what the book in memory says, whatever facts come, and after every restart, refused commit, lost
//! snapshot and journal of an earlier version; and both say what looking at everything would say.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the sums of a small world are small"
)]

use ble_proto::gatt::RequestTag;
use ops_proto::certificate::{Bound, Certificate, Kind, Limits, Role};
use ops_proto::contract::{Mark, RequestTerms, TaRefused};
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
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::book::{Book, RequestShown};
use super::entry::{Recorded, Seq};
use super::fact::{ApprovedBy, Entry, Fact, Found, NoiseSecretBytes, PayIntent, RequestIntent};
use super::store::Store;
use super::{JOURNAL_FILE, JournalError};

/// What happens to a journal.
#[derive(Clone, Debug)]
enum Happening {
    /// Facts are appended in one commit.
    Append(Vec<Drawn>),
    /// The disk is full at the next commit.
    Full(Vec<Drawn>),
    /// The daemon ends and starts again.
    Restart,
    /// As before, and what was written beside the facts is gone, as in a journal of version 1.
    FactsAlone,
    /// As before, and the snapshot does not verify.
    Rot,
}

/// A fact of a small world: numbers choose among few payments, requests and outcomes, so that facts meet.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    kind: u8,
    which: u8,
    what: u8,
    at: u64,
}

/// Payments, and requests, in the small world.
const FEW: u8 = 4;

const DAY_MS: u64 = 24 * 3600 * 1000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_book_on_disk_is_the_book_in_memory(events in prop::collection::vec(event(), 1..24)) {
        let dir = TempDir::new().expect("a directory");
        let mut oracle = Book::default();
        let mut store = Store::open(dir.path()).expect("opened");
        for event in events {
            match event {
                Happening::Append(drawn) => append(&mut store, &mut oracle, &drawn),
                Happening::Full(drawn) => {
                    full(&mut store, &drawn);
                    append(&mut store, &mut oracle, &drawn);
                }
                Happening::Restart => {
                    drop(store);
                    store = Store::open(dir.path()).expect("opened");
                }
                Happening::FactsAlone => {
                    drop(store);
                    forget(&dir, FORGET_INDEX);
                    store = Store::open(dir.path()).expect("opened");
                }
                Happening::Rot => {
                    drop(store);
                    forget(&dir, "UPDATE snapshot SET digest = x'00'");
                    store = Store::open(dir.path()).expect("opened");
                }
            }
            let on_disk = store.book_for(&super::store::reader(dir.path()).expect("opened"));
            prop_assert_eq!(picture(&on_disk), picture(&oracle));
            look_at_everything(&on_disk)?;
        }
    }
}

const FORGET_INDEX: &str = "DROP TABLE sent; DROP TABLE received; DROP TABLE request; DROP TABLE server_word;
    DROP TABLE place; DROP TABLE sum; DROP TABLE contradiction; DROP TABLE fact_hash; DROP TABLE snapshot; PRAGMA user_version = 1;";

fn forget(dir: &TempDir, sql: &str) {
    let connection = Connection::open(dir.path().join(JOURNAL_FILE)).expect("opened");
    connection.execute_batch(sql).expect("forgotten");
}

fn append(store: &mut Store, oracle: &mut Book, drawn: &[Drawn]) {
    let entries = entries(drawn);
    let at = Time::from_ms(drawn.first().map_or(0, |drawn| drawn.at));
    let by_reference: Vec<_> = entries.iter().collect();
    let recorded = store.append(&by_reference, at).expect("appended");
    for recorded in recorded {
        oracle.apply(&recorded);
    }
}

/// The disk has no page left.
fn full(store: &mut Store, drawn: &[Drawn]) {
    let pages: i64 = store.pragma("page_count");
    let _set = store.pragma(&format!("max_page_count = {pages}"));
    // as much as it takes to need a page
    let many: Vec<_> = (0..64).flat_map(|_| entries(drawn)).collect();
    let by_reference: Vec<_> = many.iter().collect();
    let before = store.book_newest();
    let outcome = store.append(&by_reference, Time::from_ms(1));
    if outcome.is_err() {
        assert_eq!(outcome, Err(JournalError::Full));
        assert_eq!(store.book_newest(), before);
    }
    let _set = store.pragma("max_page_count = 1073741823");
    assert!(outcome.is_err(), "64 commits' worth of facts found room");
}

fn entries(drawn: &[Drawn]) -> Vec<(Fact, Option<Mark>)> {
    drawn
        .iter()
        .map(|drawn| {
            let mark = (drawn.what == 7).then_some(Mark {
                o: drawn.at,
                hash: Digest::ZERO,
            });
            (fact(*drawn), mark)
        })
        .collect()
}

fn event() -> impl Strategy<Value = Happening> {
    let drawn = prop::collection::vec(drawn(), 1..8);
    let full = prop::collection::vec(drawn_of(Just(4_u8)), 1..3);
    prop_oneof![
        12 => drawn.prop_map(Happening::Append),
        1 => full.prop_map(Happening::Full),
        2 => Just(Happening::Restart),
        1 => Just(Happening::FactsAlone),
        1 => Just(Happening::Rot),
    ]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    drawn_of(0..22_u8)
}

fn drawn_of(kind: impl Strategy<Value = u8>) -> impl Strategy<Value = Drawn> {
    (kind, 0..FEW, 0..8_u8, 0..3 * DAY_MS).prop_map(|(kind, which, what, at)| Drawn {
        kind,
        which,
        what,
        at,
    })
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
fn fact(drawn: Drawn) -> Fact {
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

/// All that the book says.
pub(super) fn picture(book: &Book) -> Vec<String> {
    let mut said = vec![
        format!("newest {:?}, mark {:?}", book.newest(), book.mark()),
        format!("contradictions {:?}", book.contradictions()),
        format!("status {:?}, lives {:?}", book.status(), book.lives()),
        format!("ta {:?}, ended {:?}", book.ta(), book.ended()),
        format!("due {:?}", hashes(&book.reports_due())),
        format!("claims {:?}", hashes(&book.claims_due())),
        format!("approved {:?}", book.approved()),
        format!(
            "counts {:?}",
            [
                book.unacknowledged_count(),
                book.unreported_count(),
                book.waiting_count(),
                book.claims_due_count(),
                book.unclaimed_count(),
            ]
        ),
    ];
    said.extend(book.outgoing().map(|payment| format!("sent {payment:?}")));
    said.extend(book.incoming().map(|payment| format!("came {payment:?}")));
    said.extend(book.requests().map(|request| format!("asked {request:?}")));
    said.extend(book.providers().map(|held| format!("provider {held:?}")));
    said.extend(book.approved_payees().map(|held| format!("{held:?}")));
    for which in 0..FEW {
        for other in 0..2 {
            let hash = pair(which, other).hash();
            said.push(format!("{:?}", book.settlement_of(&hash)));
            said.push(format!("{:?}", book.refunds_of(&hash)));
        }
    }

    said
}

/// What is found by place is what looking at everything finds.
fn look_at_everything(book: &Book) -> Result<(), TestCaseError> {
    let sent: Vec<_> = book.outgoing().collect();
    let came: Vec<_> = book.incoming().collect();
    let approved = sent
        .iter()
        .filter(|(_, it)| it.pair.is_none() && it.abandoned.is_none());
    prop_assert_eq!(book.approved().len(), approved.count());
    let to_resume = sent.iter().filter(|(_, it)| it.is_to_resume()).count();
    prop_assert_eq!(book.to_resume().count(), to_resume);
    let unacknowledged = sent.iter().filter(|(_, it)| it.is_unacknowledged()).count();
    prop_assert_eq!(
        usize::try_from(book.unacknowledged_count()),
        Ok(unacknowledged)
    );
    let claims = came.iter().filter(|(_, it)| it.is_claim_due()).count();
    prop_assert_eq!(usize::try_from(book.claims_due_count()), Ok(claims));
    let life = book.lives().seen().unwrap_or(0);
    let is_due = |report: Option<ItemOutcome>, reported_in: u32| {
        report.is_none_or(|said| said == WAITING || reported_in < life)
    };
    let reports = sent
        .iter()
        .filter(|(_, it)| it.pair.is_some() && is_due(it.report, it.reported_in))
        .count()
        + came
            .iter()
            .filter(|(_, it)| is_due(it.report, it.reported_in))
            .count();
    prop_assert_eq!(book.reports_due().len(), reports);
    let claims = came
        .iter()
        .filter(|(_, it)| it.is_for_claim() && is_due(it.claim, it.claimed_in));
    prop_assert_eq!(book.claims_due().len(), claims.count());
    for now in [0, DAY_MS, 2 * DAY_MS, 4 * DAY_MS].map(Time::from_ms) {
        let open = book
            .requests()
            .filter(|it| it.shown == RequestShown::Open && !it.is_closed && !it.is_expired(now));
        prop_assert_eq!(book.requests_open_count(now), open.count());
        let spent = sent.iter().filter(|(_, it)| {
            it.approved_by == ApprovedBy::Policy
                && !it.is_abandoned()
                && it.at.as_ms() / DAY_MS == now.as_ms() / DAY_MS
                && it.payee() == key(PAYEE).public_key()
        });
        let spent: u64 = spent.map(|(_, it)| it.amount().minor_units()).sum();
        prop_assert_eq!(book.spent_on(&key(PAYEE).public_key(), now), spent);
    }
    for request in book.requests() {
        let found = book
            .request_tagged(request.intent.tag)
            .map(|it| it.intent.tag);
        prop_assert_eq!(found, Some(request.intent.tag));
    }
    for (_, payment) in &sent {
        let tag = payment.found.as_ref().map(Found::tag);
        let found = tag.is_none_or(|tag| book.outgoing_tagged(tag).any(|it| it == *payment));
        prop_assert!(found);
    }
    let pages = paged(book);
    prop_assert_eq!(pages, sent.len() + came.len());

    Ok(())
}

/// Reads the history by pages of two.
fn paged(book: &Book) -> usize {
    let (mut read, mut after) = (0, None);
    loop {
        let page = book.payments_page(after, 2);
        let Some((last, payment)) = page.last() else {
            return read;
        };
        read += page.len();
        after = Some((payment.at(), *last));
    }
}

/// Facts of all kinds, as they may follow each other.
pub(super) fn many_facts() -> Vec<Fact> {
    let kinds = [
        14, 15, 18, 4, 7, 9, 0, 3, 5, 6, 8, 10, 11, 12, 13, 16, 17, 20, 21,
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

fn hashes(pairs: &[PaymentPair]) -> Vec<Digest> {
    pairs.iter().map(PaymentPair::hash).collect()
}

const WAITING: ItemOutcome = ItemOutcome::Held(SettlementState::Waiting);

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
const PAYEE: u8 = 3;

/// A payment for one of few requests; the other payment of the same number is for another request.
fn pair(which: u8, other: u8) -> PaymentPair {
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

fn receipt(payment: Digest) -> Signed<ReceivedPayment> {
    Signed::sign(ReceivedPayment { payment }, &key(PAYEE))
}

fn provider(number: u8) -> Signed<Certificate> {
    let role = Role::Provider {
        answer_key: key(4 + number).public_key(),
        list_key: key(6).public_key(),
        limits_max: limits(),
    };

    certificate(PROVIDER, role)
}

fn certificate(subject: u8, role: Role) -> Signed<Certificate> {
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

fn limits() -> Limits {
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

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn amount(more: u8) -> Amount {
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
