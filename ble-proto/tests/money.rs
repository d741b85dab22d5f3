//! One payment per request, whatever is cut; a receipt means durable. `Pair` checks after every step
//! that nothing leaves before it is on disk and that the TA is asked once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ble_proto::error::{Failure, Misbehaviour};
use ble_proto::limits::{CHUNK_SIZE_MAX, CHUNK_SIZE_MIN};
use ble_proto::payment::payee::{PayeeEffect, PayeeRecord};
use ble_proto::payment::payer::{Outcome, PayerRecord, Purpose};
use ops_proto::Signed;
use ops_proto::pay_verify::PayVerifyRefused;

use crate::kit::{Air, Dice, Direction, Pair, Person, amount, seeds};

#[test]
fn a_heard_request_is_paid_and_both_screens_show_one_code() {
    let mut pair = Pair::announced();

    let outcome = pair.pay();

    assert_paid(&pair, &outcome);
    assert_eq!(pair.payer_codes.len(), 1);
    assert_eq!(pair.payer_codes, pair.payee_codes);
}

#[test]
fn a_scanned_request_is_paid_without_a_code() {
    let mut pair = Pair::by_uri();

    let outcome = pair.pay_scanned();

    assert_paid(&pair, &outcome);
    assert!(pair.payer_codes.is_empty() && pair.payee_codes.is_empty());
}

#[test]
fn a_payment_passes_at_every_mtu_in_both_modes() {
    for chunk in (CHUNK_SIZE_MIN..64).chain((64..CHUNK_SIZE_MAX).step_by(13)) {
        let mut heard = Pair::announced();
        heard.air.chunk = chunk;
        let outcome = heard.pay();
        assert_paid(&heard, &outcome);

        let mut scanned = Pair::by_uri();
        scanned.air.chunk = chunk;
        scanned.sender = scanned.world.sender_elsewhere();
        let outcome = scanned.pay_scanned();
        assert_paid(&scanned, &outcome);
    }
}

#[test]
fn a_payment_takes_three_flights_each_way_and_one_after_the_approval() {
    for elsewhere in [false, true] {
        let mut pair = Pair::announced();
        if elsewhere {
            pair.sender = pair.world.sender_elsewhere();
        }
        pair.person = Person::ApprovesAfter(1000);

        let outcome = pair.pay();

        assert_paid(&pair, &outcome);
        let third = if elsewhere { 2 } else { 1 };
        assert_eq!(
            flights(&pair.frames),
            [
                (Direction::ToPayee, 1),
                (Direction::ToPayer, 2),
                (Direction::ToPayee, third),
                (Direction::ToPayer, 1),
                (Direction::ToPayee, 1),
                (Direction::ToPayer, 1),
            ],
            "frames of flights 1 to 6 at an MTU of 517"
        );
        let approved = pair.approved_at_frame.expect("approved");
        assert_eq!(
            flights(&pair.frames[approved..]),
            [(Direction::ToPayee, 1), (Direction::ToPayer, 1)],
            "one flight each way after the approval"
        );
    }
}

#[test]
fn a_link_cut_at_any_frame_costs_no_second_debit_and_no_payment() {
    for chunk in [CHUNK_SIZE_MIN, 512] {
        for cut in 0.. {
            let mut pair = Pair::announced();
            pair.air = Air {
                chunk,
                cut_after: Some(cut),
                ..Air::default()
            };
            let outcome = pair.pay();
            pair.air = Air::default();

            finish(&mut pair);
            if let Outcome::Paid { .. } = outcome {
                assert!(cut > 6, "the cuts went through the whole payment");
                break;
            }
        }
    }
}

#[test]
fn power_cut_at_the_payee_at_any_step_costs_no_second_debit_and_no_payment() {
    for step in 0.. {
        let mut pair = Pair::announced();
        begin(&mut pair);
        let is_under_way = pair.run_steps(step);

        let open = pair.world.announced(1);
        pair.cut_payee_power(vec![open]);
        pair.run();
        finish(&mut pair);

        if !is_under_way {
            assert!(step > 12, "the cuts went through the whole payment");
            break;
        }
    }
}

#[test]
fn power_cut_at_the_payer_at_any_step_costs_no_second_debit_and_no_payment() {
    for step in 0.. {
        let mut pair = Pair::announced();
        begin(&mut pair);
        let is_under_way = pair.run_steps(step);

        pair.cut_payer_power();
        pair.run_for(100);
        finish(&mut pair);

        if !is_under_way {
            assert!(step > 12, "the cuts went through the whole payment");
            break;
        }
    }
}

#[test]
fn on_a_bad_link_money_is_never_lost_or_doubled() {
    for seed in seeds(300) {
        let run = catch_unwind(AssertUnwindSafe(|| on_a_bad_link(seed)));
        assert!(run.is_ok(), "repeat with SEED={seed}");
    }
}

fn on_a_bad_link(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut pair = Pair::new(seed);
    let open = pair.world.announced(1);
    pair.payee.open_request(open, pair.now).expect("it opens");
    if dice.permille(300) {
        pair.sender = pair.world.sender_elsewhere();
    }
    for _ in 0..3 {
        pair.air = Air {
            chunk: 20 + usize::try_from(dice.below(493)).expect("small"),
            delay_ms: dice.below(200),
            loss_permille: dice.below(120),
            repeat_permille: dice.below(60),
            cut_after: Some(usize::try_from(dice.below(80)).expect("small")),
            disk_ms: dice.below(300),
            ta_ms: dice.below(300),
        };
        if pair.debits.is_empty() {
            pair.pay();
        } else {
            pair.resume();
        }
        match dice.below(4) {
            0 => {
                let open = pair.world.announced(1);
                pair.cut_payee_power(vec![open]);
                pair.run();
            }
            1 => pair.cut_payer_power(),
            _ => {}
        }
    }
    pair.air = Air::default();
    finish_if_debited(&mut pair);
}

#[test]
fn a_payment_that_was_not_answered_goes_again_byte_for_byte() {
    let mut pair = Pair::announced();
    pair.air.cut_after = Some(6);
    let outcome = pair.pay();
    assert!(matches!(outcome, Outcome::Unanswered { .. }), "{outcome:?}");
    let signed: Vec<_> = pair.signed_pairs().cloned().collect();
    pair.air.cut_after = None;

    let outcome = pair.resume();

    assert_eq!(outcome, Outcome::Resumed { answered: 1 });
    let received = received(&pair);
    assert_eq!(received.len(), 2, "it came twice");
    assert!(received.iter().all(|pair| *pair == signed[0]));
    assert_paid_once(&pair);
}

#[test]
fn a_payment_that_is_held_already_gets_the_same_receipt_again() {
    // the cut falls between the payee's receipt and the payer
    let mut pair = Pair::announced();
    pair.air.cut_after = Some(6);
    pair.pay();
    pair.air.cut_after = None;
    let mut again = Vec::new();
    for _ in 0..3 {
        // as if the receipt had never come
        pair.payer_disk
            .retain(|record| !matches!(record, PayerRecord::ReceiptReceived { .. }));
        assert_eq!(pair.resume(), Outcome::Resumed { answered: 1 });
        again.push(pair.payer_disk.last().cloned());
    }

    assert!(again[0].is_some() && again.iter().all(|record| *record == again[0]));
    assert_paid_once(&pair);
}

#[test]
fn a_browser_on_a_slow_disk_has_time_for_each_of_its_payments() {
    let mut pair = Pair::announced();
    pair.air.disk_ms = 700;
    for id in 1..=3 {
        let signed = Box::new(pair.world.pair(id));
        pair.payer_disk
            .push(PayerRecord::PaymentSigned { pair: signed });
    }

    assert_eq!(pair.resume(), Outcome::Resumed { answered: 3 });
    pair.run_for(1_000);

    assert!(pair.unsettled().is_empty());
}

#[test]
fn who_paid_this_request_before_is_told_so_and_debits_nothing() {
    let mut pair = Pair::announced();
    pair.air.cut_after = Some(6);
    pair.pay();
    pair.air.cut_after = None;

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::PaidBefore { .. }), "{outcome:?}");
    assert_paid_once(&pair);
}

#[test]
fn after_a_payment_sent_again_the_same_session_pays_the_next_request() {
    let mut pair = Pair::announced();
    pair.air.cut_after = Some(6);
    pair.pay();
    pair.air.cut_after = None;
    let open = pair.world.announced(2);
    pair.payee.open_request(open, pair.now).expect("it opens");

    let outcome = pair.visit_to_end(Purpose::Pay {
        tag: crate::kit::tag(2),
        expected: Default::default(),
    });

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
    assert_eq!((pair.debits.len(), pair.credits.len()), (2, 2));
    assert!(pair.unsettled().is_empty());
}

#[test]
fn a_payment_of_12_49_for_12_50_is_refused_by_name() {
    let mut pair = Pair::announced();
    let request = pair.world.request(1);
    let mut short = pair.world.payment_body(&request, &pair.sender.leaf, 1);
    short.amount = amount(1249);
    pair.crooked_payment = Some(Signed::sign(short, &pair.world.payer_ta));

    let outcome = pair.pay();

    assert!(
        matches!(outcome, Outcome::NotAccepted { .. }),
        "{outcome:?}"
    );
    assert!(pair.credits.is_empty() && pair.payee_disk.is_empty());
    assert!(pair.payee_log.iter().any(|effect| matches!(
        effect,
        PayeeEffect::PaymentRefused {
            reason: Misbehaviour::Payment(PayVerifyRefused::OtherAmount),
            ..
        }
    )));
}

#[test]
fn a_payment_that_is_not_credited_is_held_and_stays_on_both_disks() {
    let mut pair = Pair::announced();
    pair.credit_refused = true;

    let outcome = pair.pay();

    assert!(matches!(outcome, Outcome::Held { .. }), "{outcome:?}");
    assert_eq!(received(&pair).len(), 1);
    assert_eq!(pair.unsettled().len(), 1);
}

#[test]
fn a_payment_held_before_does_not_block_the_next_one() {
    let mut pair = Pair::announced();
    pair.credit_refused = true;
    pair.pay();
    pair.credit_refused = false;
    // the payee's TA has closed request 1; only the server can settle it
    let closed = pair.unsettled()[0].pair.hash();
    pair.never_credit = Some(closed);
    let open = pair.world.announced(2);
    pair.payee.open_request(open, pair.now).expect("it opens");

    let outcome = pair.visit_to_end(Purpose::Pay {
        tag: crate::kit::tag(2),
        expected: Default::default(),
    });

    assert!(matches!(outcome, Outcome::Paid { .. }), "{outcome:?}");
    assert_eq!(pair.not_settled, [closed]);
}

#[test]
fn a_link_lost_while_the_ta_signs_does_not_lose_the_payment() {
    let mut pair = Pair::announced();
    pair.air.ta_ms = 5_000;
    begin(&mut pair);
    while pair.debits.is_empty() {
        assert!(pair.run_steps(1));
    }

    pair.cut();
    pair.run();

    let outcome = pair.outcomes.last().expect("ended");
    assert!(
        matches!(
            outcome,
            Outcome::Unanswered {
                failure: Failure::LinkLost,
                ..
            }
        ),
        "{outcome:?}"
    );
    finish(&mut pair);
}

fn begin(pair: &mut Pair) {
    pair.visit(Purpose::Pay {
        tag: crate::kit::tag(1),
        expected: Default::default(),
    });
}

/// Goes on as a daemon would until the request is settled.
fn finish(pair: &mut Pair) {
    for _ in 0..3 {
        let has_receipt = !pair.debits.is_empty() && pair.unsettled().is_empty();
        if has_receipt && !pair.payer_disk.is_empty() {
            break;
        }
        pair.pay();
    }
    assert_paid_once(pair);
}

fn finish_if_debited(pair: &mut Pair) {
    if !pair.debits.is_empty() {
        if !pair.unsettled().is_empty() {
            pair.resume();
        }
        assert_paid_once(pair);
    }
}

fn assert_paid(pair: &Pair, outcome: &Outcome) {
    assert!(
        matches!(outcome, Outcome::Paid { .. }),
        "{outcome:?}\n{:#?}",
        pair.payee_log
    );
    assert_paid_once(pair);
}

fn assert_paid_once(pair: &Pair) {
    assert_eq!(pair.debits.len(), 1, "one debit; {:?}", pair.outcomes);
    assert_eq!(pair.credits.len(), 1, "one credit; {:?}", pair.outcomes);
    assert!(pair.unsettled().is_empty(), "{:?}", pair.outcomes);
}

fn received(pair: &Pair) -> Vec<ops_proto::PaymentPair> {
    pair.payee_disk
        .iter()
        .filter_map(|record| match record {
            PayeeRecord::PaymentReceived { pair } => Some((**pair).clone()),
            PayeeRecord::ReceiptSigned { .. } => None,
        })
        .collect()
}

/// Runs of frames in one direction, with their lengths.
fn flights(frames: &[(Direction, usize)]) -> Vec<(Direction, usize)> {
    frames
        .chunk_by(|(a, _), (b, _)| a == b)
        .map(|run| (run[0].0, run.len()))
        .collect()
}
