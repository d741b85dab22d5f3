//! The book on disk says what the book in memory says, whatever facts come, and after every restart, refused commit, lost
//! snapshot and journal of an earlier version; and both say what looking at everything would say.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the sums of a small world are small"
)]

use ops_proto::contract::Mark;
use ops_proto::message::ItemOutcome;
use ops_proto::{Digest, PaymentPair, Time};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::book::{Book, DiskIndex, RequestShown};
use super::fact::{ApprovedBy, Fact, Found};
use super::small_world::{DAY_MS, Drawn, FEW, PAYEE, WAITING, fact, key, pair};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_book_on_disk_is_the_book_in_memory(events in prop::collection::vec(event(), 1..24)) {
        let dir = TempDir::new().expect("a directory");
        let mut oracle = Book::default();
        let (mut store, mut reader) = open(&dir);
        for event in events {
            match event {
                Happening::Append(drawn) => append(&mut store, &mut oracle, &drawn),
                Happening::Full(drawn) => {
                    full(&mut store, &drawn);
                    append(&mut store, &mut oracle, &drawn);
                }
                Happening::Restart => {
                    drop(store);
                    (store, reader) = open(&dir);
                }
                Happening::FactsAlone => {
                    drop(store);
                    forget(&dir, FORGET_INDEX);
                    (store, reader) = open(&dir);
                }
                Happening::Rot => {
                    drop(store);
                    forget(&dir, "UPDATE snapshot SET digest = x'00'");
                    (store, reader) = open(&dir);
                }
            }
            let on_disk = store.book_for(&reader);
            prop_assert_eq!(picture(&on_disk), picture(&oracle));
            look_at_everything(&on_disk)?;
        }
    }
}

const FORGET_INDEX: &str = "DROP TABLE sent; DROP TABLE received; DROP TABLE request; DROP TABLE server_word;
    DROP TABLE place; DROP TABLE sum; DROP TABLE contradiction; DROP TABLE fact_hash; DROP TABLE snapshot; PRAGMA user_version = 1;";

/// The reader stays, as a daemon's does: it remembers rows that it has read.
fn open(dir: &TempDir) -> (Store, DiskIndex) {
    let store = Store::open(dir.path()).expect("opened");
    let reader = super::store::reader(dir.path()).expect("opened");

    (store, reader)
}

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
    drawn_of(0..23_u8)
}

fn drawn_of(kind: impl Strategy<Value = u8>) -> impl Strategy<Value = Drawn> {
    (kind, 0..FEW, 0..8_u8, 0..3 * DAY_MS).prop_map(|(kind, which, what, at)| Drawn {
        kind,
        which,
        what,
        at,
    })
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
            "credited {:?}",
            (0..8)
                .map(|life| book.credited_next(life))
                .collect::<Vec<_>>()
        ),
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

fn hashes(pairs: &[PaymentPair]) -> Vec<Digest> {
    pairs.iter().map(PaymentPair::hash).collect()
}
