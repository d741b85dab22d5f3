use ops_proto::certificate::{Kind, Role};
use ops_proto::contract::TaRefused;
use ops_proto::id::CommandId;
use ops_proto::message::{
    DepositOpen, ItemOutcome, ItemRefused, ListsHeld, NoiseKey, Payment, Receiver, RequestPayment,
    SettlementState, Status,
};
use ops_proto::statement::{ChainEnd, ChainPosition, Moves, Statement};
use ops_proto::time::Validity;
use ops_proto::{Balance, Digest, PaymentPair, RequestId, Signed, Time};

use super::*;
use crate::entry::Seq;
use crate::fact::{ApprovedBy, Fact};
use crate::small_world::{amount, certificate, key, limits, provider, receipt};

#[test]
fn the_order_for_a_token_has_every_statement_since_the_last_one() {
    let (first, second) = (status(2, Digest::ZERO), status(4, Digest::ZERO));
    let later = deposit(2, 3);
    let mut book = fold(&[
        opened(1, &deposit(1, 1)),
        Fact::StatusOpened(first.clone()),
        opened(2, &later),
    ]);

    let order = book.status_order().expect("a status is open");
    assert_eq!(order.chain.len(), 1, "without what came after the status");
    add(
        &mut book,
        &[
            Fact::TokenTaken {
                status: first.hash(),
            },
            Fact::StatusOpened(second.clone()),
        ],
    );

    let order = book.status_order().expect("a status is open");
    assert_eq!(*order.chain, [Statement::DepositOpen(later)]);
    assert_eq!(order.status, second);
    assert!(book.contradictions().is_empty());
}

#[test]
fn what_contradicts_is_remembered_and_changes_nothing() {
    let before = fold(&[Fact::PaymentReceived {
        pair: Box::new(pair(Kind::Client)),
        sender_provider: provider(0),
    }]);
    let odd = [
        Fact::ReceiptReceived(receipt(Digest::ZERO)),
        Fact::HeldByPayee {
            payment: Digest::ZERO,
        },
        Fact::Collected {
            payment: Digest::ZERO,
            receipt: receipt(Digest::ZERO),
        },
        Fact::Reported {
            payment: Digest::ZERO,
            outcome: ItemOutcome::Held(SettlementState::Waiting),
        },
        Fact::TokenTaken {
            status: Digest::ZERO,
        },
        Fact::DepositClosed {
            i: 9,
            balance: Balance::ZERO,
        },
    ];

    let mut after = before.clone();
    add(&mut after, &odd);

    assert_eq!(after.contradictions().len(), odd.len());
    after.contradictions.clear();
    after.newest = before.newest;
    assert_eq!(after, before);
}

#[test]
fn a_fact_that_is_told_again_after_a_restart_changes_nothing() {
    let paid = pair(Kind::Ta);
    let facts = [
        opened(1, &deposit(1, 1)),
        Fact::PaymentSigned {
            pair: Box::new(paid.clone()),
            payee_provider: provider(0),
        },
        Fact::PaymentReceived {
            pair: Box::new(paid.clone()),
            sender_provider: provider(0),
        },
        Fact::Collected {
            payment: paid.hash(),
            receipt: receipt(paid.hash()),
        },
        Fact::ReceiptReceived(receipt(paid.hash())),
    ];
    let once = fold(&facts);

    let mut twice = once.clone();
    add(&mut twice, &facts);

    assert_eq!(twice, once);
    assert!(once.contradictions().is_empty());
}

#[test]
fn a_payment_is_sent_again_exactly_while_it_is_signed_and_nobody_has_answered() {
    let signed = pair(Kind::Ta);
    let answered = (receipt(signed.hash()), Time::from_ms(2));
    let refused = Some(TaRefused::Retired);
    let seen = ItemOutcome::Held(SettlementState::Collected);
    let facts = payment::SentFacts {
        order: Seq(1),
        signed: None,
        receipt: None,
    };
    for bits in 0..32_u8 {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let (is_signed, is_answered, is_settled) = (has(0), has(1) || has(2), has(3));
        let payment = Outgoing {
            pair: is_signed.then(|| signed.clone()),
            receipt: has(1).then(|| answered.clone()),
            held: has(2),
            report: is_settled.then_some(seen),
            abandoned: has(4).then_some(refused),
            ..Outgoing::unsigned(&signed.request, &provider(0), Time::from_ms(1), facts)
        };

        let is_unfinished = is_signed && !is_answered && !is_settled;
        assert_eq!(payment.is_to_resume(), is_unfinished, "{payment:?}");
        // nothing is given up that the TA has paid, and nothing twice
        let is_to_abandon = payment.stage() == OutgoingStage::Approved;
        assert_eq!(is_to_abandon, !is_signed && !has(4), "{payment:?}");
    }
}

#[test]
fn a_payment_is_reported_and_claimed_until_the_server_says_where_the_money_is() {
    let client = pair(Kind::Client);
    let payment = client.hash();
    let mut book = fold(&[Fact::PaymentReceived {
        pair: Box::new(client.clone()),
        sender_provider: provider(0),
    }]);
    assert_eq!(book.reports_due(), [client.clone()].as_slice());
    assert_eq!(book.claims_due(), [client].as_slice());

    let waiting = ItemOutcome::Held(SettlementState::Waiting);
    let outcome = waiting;
    add(
        &mut book,
        &[
            Fact::Reported { payment, outcome },
            Fact::Claimed { payment, outcome },
        ],
    );
    assert_eq!(book.reports_due().len(), 1);
    assert_eq!(book.claims_due().len(), 1);

    let outcome = ItemOutcome::Held(SettlementState::Credited);
    add(
        &mut book,
        &[
            Fact::Reported { payment, outcome },
            Fact::Claimed { payment, outcome },
        ],
    );
    assert_eq!(book.reports_due(), []);
    assert_eq!(book.claims_due(), []);
}

#[test]
fn one_refused_pair_is_not_asked_about_for_ever() {
    let payment = pair(Kind::Client).hash();
    let outcome = ItemOutcome::Refused(ItemRefused::PayVerify);
    let book = fold(&[
        Fact::PaymentReceived {
            pair: Box::new(pair(Kind::Client)),
            sender_provider: provider(0),
        },
        Fact::Reported { payment, outcome },
        Fact::Claimed { payment, outcome },
    ]);

    assert_eq!(book.reports_due(), []);
    assert_eq!(book.claims_due(), []);
    assert!(book.incoming_by_hash(&payment).is_some(), "and never lost");
}

#[test]
fn a_payment_to_the_ta_is_claimed_online_only_when_the_ta_refused_it() {
    let to_ta = pair(Kind::Ta);
    let payment = to_ta.hash();
    let mut book = fold(&[Fact::PaymentReceived {
        pair: Box::new(to_ta.clone()),
        sender_provider: provider(0),
    }]);
    assert_eq!(book.claims_due(), []);

    let refused = TaRefused::RequestClosed;
    add(&mut book, &[Fact::CollectRefused { payment, refused }]);

    assert_eq!(book.claims_due(), [to_ta].as_slice());
}

#[test]
fn an_unacknowledged_payment_is_resumed_until_receipt_word_or_settlement() {
    let paid = pair(Kind::Ta);
    let payment = paid.hash();
    let signed = Fact::PaymentSigned {
        pair: Box::new(paid),
        payee_provider: provider(0),
    };
    let outcome = ItemOutcome::Held(SettlementState::Collected);
    assert_eq!(fold(std::slice::from_ref(&signed)).to_resume().count(), 1);

    for end in [
        Fact::ReceiptReceived(receipt(payment)),
        Fact::HeldByPayee { payment },
        Fact::Reported { payment, outcome },
    ] {
        let book = fold(&[signed.clone(), end]);
        assert_eq!(book.to_resume().count(), 0);
        let outgoing = book.outgoing_by_hash(&payment).expect("known");
        assert_eq!(outgoing.approved_by, ApprovedBy::Person);
    }
}

fn fold(facts: &[Fact]) -> Book {
    let mut book = Book::default();
    add(&mut book, facts);

    book
}

fn add(book: &mut Book, facts: &[Fact]) {
    for (seq, fact) in (1..).zip(facts) {
        book.apply(&Recorded {
            seq: Seq(seq),
            at: Time::from_ms(1),
            mark: None,
            fact: fact.clone(),
        });
    }
}

fn opened(command: u8, open: &Signed<DepositOpen>) -> Fact {
    Fact::DepositOpened {
        command: CommandId([command; 16]),
        open: open.clone(),
    }
}

fn deposit(i: u64, n: u64) -> Signed<DepositOpen> {
    let position = ChainPosition {
        n,
        i,
        j: 0,
        previous: Digest::ZERO,
    };

    Signed::sign(
        DepositOpen {
            ta: key(2).public_key(),
            position,
            amount: amount(0),
        },
        &key(2),
    )
}

fn status(n: u64, previous: Digest) -> Signed<Status> {
    let position = ChainPosition {
        n,
        i: 0,
        j: 0,
        previous,
    };

    Signed::sign(
        Status {
            ta: key(2).public_key(),
            position,
            balance: Balance::ZERO,
            paid_count: 0,
            paid_total: 0,
            collected_count: 0,
            collected_total: 0,
            collected: ops_proto::list::List::empty(),
            open: ops_proto::list::List::empty(),
            mark: RequestId(1),
            nonce: [1; 16],
        },
        &key(2),
    )
}

/// A payment of TA 2 to the client or TA 3.
fn pair(receiver: Kind) -> PaymentPair {
    let payee = match receiver {
        Kind::Client | Kind::Provider => certificate(3, Role::Client),
        Kind::Ta => certificate(3, Role::Ta { limits: limits() }),
    };
    let request = Signed::sign(
        RequestPayment {
            payee,
            request_id: RequestId(1),
            amount: amount(0),
            currency: "EUR".parse().expect("a currency"),
            noise_key: NoiseKey([1; 32]),
            memo_hash: Digest::ZERO,
            issued: Time::from_ms(1),
            validity: Validity::try_from(1000).expect("a validity"),
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        },
        &key(3),
    );
    let payment = Signed::sign(
        Payment {
            sender: certificate(2, Role::Ta { limits: limits() }),
            position: ChainEnd::START.next(Moves::J),
            amount: amount(0),
            currency: "EUR".parse().expect("a currency"),
            receiver: Receiver::of(request.body()),
            request_id: RequestId(1),
            request_hash: request.hash(),
            refund_of: None,
        },
        &key(2),
    );

    PaymentPair { payment, request }
}
