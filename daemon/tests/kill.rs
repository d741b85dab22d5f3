//! The power goes at every commit of the journal, on either side: promises 3, 4, 5 and 6.

use blepayd::journal::PowerCut;
use blepayd::wallet::{Mode, PaymentEvent, Target};
use tempfile::TempDir;

use crate::kit::{Bank, Device, Faults, Kind, TaFault, conserved, eventually, pay};

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

    let paying = pay(&payer, Target::Tag(request.tag));
    let last = tokio::time::timeout(std::time::Duration::from_secs(4), paying).await;
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
        let again = pay(&payer, Target::Tag(request.tag)).await;
        assert!(
            matches!(again, PaymentEvent::Paid { .. }),
            "{what}, {again:?}"
        );
    }
    assert_eq!(payer.outgoing().len(), 1, "{what}");
    assert_eq!(payee.balance().await, 11_250, "{what}");
    conserved(&payer, &payee, 20_000).await;
}

/// More commands than a payment takes on either side, the first of the session included.
const COMMANDS_MAX: u32 = 4;

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
    let paying = pay(&payer, Target::Tag(request.tag));
    let _interrupted = tokio::time::timeout(std::time::Duration::from_secs(2), paying).await;

    let (payer, payee) = (payer.stop().await, payee.stop().await);
    let (payer, payee) = (payer.start().await, payee.start().await);

    eventually("resumed", || async { payer.receipts() == 1 }).await;
    conserved(&payer, &payee, 20_000).await;
}
