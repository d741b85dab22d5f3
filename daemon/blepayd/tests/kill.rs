//! The power goes at every commit of the journal, on either side: promises 3, 4, 5 and 6.

use journal::{Fact, PowerCut};
use kit::{Bank, Device, Faults, Kind, TaFault, conserved, eventually, pay, unless_power_goes};
use ops_proto::contract::{Command, Output};
use radio::sockets::SimAir;
use runtime::clock;
use tempfile::TempDir;
use wallet::{Asks, FailureClass, Mode, PaymentEvent, PaymentOrder, Target};

/// More commits than a payment takes on either side, so that the last runs are whole.
const COMMITS_MAX: u64 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Payer,
    Payee,
}

#[tokio::test(flavor = "multi_thread")]
async fn any_commit_may_be_the_last_and_the_two_end_with_the_same_payment() {
    let mut runs = Vec::new();
    for side in [Side::Payer, Side::Payee] {
        for commit in 1..=COMMITS_MAX {
            runs.push(killed(side, PowerCut::Before(commit)));
            runs.push(killed(side, PowerCut::After(commit)));
        }
    }
    futures::future::join_all(runs).await;
}

async fn killed(side: Side, cut: PowerCut) {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    // started again, so that commits are counted from the payment on
    let (mut payer, mut payee) = match side {
        Side::Payer => (payer.stop().await.start_until(cut).await, payee),
        Side::Payee => (payer, payee.stop().await.start_until(cut).await),
    };

    let killed = match side {
        Side::Payer => &payer,
        Side::Payee => &payee,
    };
    let last = unless_power_goes(killed, pay(&payer, Target::Tag(request.tag))).await;
    let what = format!("{side:?} killed {cut:?}: {last:?}");
    match side {
        Side::Payer => payer = payer.stop().await.start().await,
        Side::Payee => payee = payee.stop().await.start().await,
    }

    eventually(&what, || async {
        payer.receipts() == payer.outgoing().len()
    })
    .await;
    if payer.outgoing().is_empty() {
        // nothing was debited, so the request is still to be paid
        assert_eq!(payer.balance().await, 10_000, "{what}");
        let mut again = pay(&payer, Target::Tag(request.tag)).await;
        for _ in 1..PAYMENTS_TRIED_MAX {
            if !payer.outgoing().is_empty() {
                break;
            }
            again = pay(&payer, Target::Tag(request.tag)).await;
        }
        assert!(
            matches!(again, PaymentEvent::Paid { .. }),
            "{what}, {again:?}"
        );
    }
    assert_eq!(payer.outgoing().len(), 1, "{what}");
    assert_eq!(payee.balance().await, 11_250, "{what}");
    conserved(&payer, &payee, 20_000).await;
}

/// How often a payer begins anew that nothing was debited: a flight may come late on a busy machine.
const PAYMENTS_TRIED_MAX: usize = 10;

/// More commands than a payment takes on either side, the first of the session included.
const COMMANDS_MAX: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_ta_whose_answer_is_lost_at_any_command_debits_and_credits_once() {
    let mut runs = Vec::new();
    for side in [Side::Payer, Side::Payee] {
        for command in 1..=COMMANDS_MAX {
            runs.push(answer_lost(side, TaFault::Before(command)));
            runs.push(answer_lost(side, TaFault::After(command)));
        }
    }
    futures::future::join_all(runs).await;
}

async fn answer_lost(side: Side, ta: TaFault) {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let faults = Faults { ta, ..Faults::NONE };
    let (payer, payee) = match side {
        Side::Payer => (payer.stop().await.start_with(faults).await, payee),
        Side::Payee => (payer, payee.stop().await.start_with(faults).await),
    };
    let request = payee.request(1250, Mode::Announced).await;

    let last = pay(&payer, Target::Tag(request.tag)).await;

    assert!(
        matches!(last, PaymentEvent::Paid { .. }),
        "{side:?}, {ta:?}: {last:?}"
    );
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_devices_may_stop_in_the_middle_and_meet_again() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, Mode::Announced).await;
    let payee = payee.stop().await.start_until(PowerCut::Before(1)).await;
    let interrupted = unless_power_goes(&payee, pay(&payer, Target::Tag(request.tag))).await;
    assert_eq!(interrupted, None);

    let (payer, payee) = (payer.stop().await, payee.stop().await);
    let (payer, payee) = (payer.start().await, payee.start().await);

    eventually("resumed", || async { payer.receipts() == 1 }).await;
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_kept_but_not_credited_is_credited_later_by_itself() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    // out of reach, so that it does not come again
    let elsewhere = SimAir::new(world.path().join("elsewhere"));
    let payer = Device::in_air(&bank, elsewhere, world.path(), "Ada", Kind::WithTa).await;
    let opened = payee.request(1250, Mode::Announced).await;
    let request = payee.wallet.journal().view(|book| {
        let mut requests = book.requests().filter_map(|held| held.issued.clone());
        requests.find(|issued| issued.body().request_id == opened.request_id)
    });
    let provider = |device: &Device| {
        let chain = |book: &journal::Book| book.sender_chain().cloned();
        device.wallet.journal().view(chain).expect("registered")
    };
    let pay = Command::Pay {
        request: request.expect("issued"),
        payee_provider: provider(&payee).provider,
        now: clock::now(),
        pin: None,
    };
    let paid = payer.wallet.ta().expect("a TA").invoke(pay).await;
    let Ok(Output::Paid(pair)) = paid else {
        panic!("{paid:?}");
    };

    // what the journal holds after the TA was too busy and the payer heard `Held`
    let kept = Fact::PaymentReceived {
        pair: Box::new(pair),
        sender_provider: provider(&payer).provider,
    };
    payee
        .wallet
        .journal()
        .append(vec![kept])
        .await
        .expect("kept");

    eventually("credited", || async { payee.balance().await == 11_250 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_ta_pays_does_not_say_that_nothing_left() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let faults = Faults {
        ta: TaFault::SlowPay,
        ..Faults::NONE
    };
    let payer = payer.stop().await.start_with(faults).await;
    let request = payee.request(1250, Mode::Announced).await;
    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            assert!(handle.controls().approve(None));
        }
        if event == PaymentEvent::Paying {
            break;
        }
    }

    let _stopped = payer.stop().await;

    let last = handle.next().await;
    assert!(
        matches!(
            last,
            Some(PaymentEvent::Failed {
                class: FailureClass::Unknown,
                ..
            })
        ),
        "{last:?}"
    );
}
