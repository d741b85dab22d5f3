//! Withdrawals: the device is debited once and the account credited once, whatever is the last step.

use journal::book::WithdrawStage;
use kit::provider::{Loss, ON_TA, ONLINE, Provider, TOTAL, go_online};
use kit::{Device, Faults, amount, eventually, unless_power_goes};
use ops_proto::contract::TaRefused;
use sync::SyncError;

use crate::alone::{Alone, assert_sound};
use crate::interrupted::{self, at_commands, at_commits};

/// More commits than a withdrawal with the status after it takes.
const COMMITS_MAX: u64 = 9;

#[tokio::test(flavor = "multi_thread")]
async fn any_commit_may_be_the_last_and_a_withdrawal_moves_the_money_once_or_not_at_all() {
    let moved = interrupted::all(at_commits(COMMITS_MAX), interrupted).await;

    assert!(moved.contains(&false), "one was cut before the debit");
    assert!(moved.contains(&true), "one was cut after the debit");
}

/// More commands than a withdrawal with the status after it takes, the first of the session included.
const COMMANDS_MAX: u32 = 9;

#[tokio::test(flavor = "multi_thread")]
async fn a_ta_whose_answer_is_lost_at_any_command_is_debited_once() {
    let moved = interrupted::all(at_commands(COMMANDS_MAX), interrupted).await;

    assert!(moved.into_iter().all(|moved| moved), "it is asked again");
}

/// Withdraws 4.00 with faults, starts the device anew without, and returns whether the money moved.
async fn interrupted(provider: &Provider, device: Device, faults: Faults) -> bool {
    let device = device.stop().await.start_with(faults).await;
    let online = go_online(&device);
    let last = unless_power_goes(&device, online.sync.withdraw(Some(amount(400)))).await;
    let what = format!("{faults:?}: {last:?}");
    online.stop().await;

    let device = device.stop().await.start().await;
    let online = go_online(&device);

    eventually(&what, || async {
        is_at_rest(&device) && provider.total(&device).await == TOTAL
    })
    .await;
    online.stop().await;
    let balance = device.balance().await;
    assert!(balance == ON_TA || balance == 9600, "{what}");
    assert_sound(&device);

    balance == 9600
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_request_or_answer_is_sent_again_with_the_same_bytes_and_booked_once() {
    for loss in [Loss::Request, Loss::Answer] {
        let world = Alone::new().await;
        let online = go_online(&world.device);
        world.provider.lose("/v1/withdrawals", loss);

        let withdrawn = online.sync.withdraw(Some(amount(400))).await;

        let withdrawn = withdrawn.expect("debited");
        assert!(matches!(
            withdrawn.withdrawal.stage,
            WithdrawStage::Debited(_)
        ));
        assert!(withdrawn.pending.is_some());
        assert_eq!(world.device.balance().await, 9600, "debited first");
        world.provider.lose_nothing();
        let _status = online.sync.run().await.expect("runs");
        eventually("it is booked", || async {
            is_at_rest(&world.device) && world.online().await == ONLINE + 400
        })
        .await;
        let sent = world.provider.asked("/v1/withdrawals");
        assert!(sent.len() >= 2);
        assert!(sent.windows(2).all(|two| two[0] == two[1]), "{loss:?}");
        online.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_and_a_withdrawal_never_overlap() {
    let world = Alone::new().await;
    let online = go_online(&world.device);
    world.provider.lose("/v1/deposits", Loss::Answer);
    let _open = online.sync.deposit(amount(500)).await.expect("opened");

    let refused = online.sync.withdraw(Some(amount(400))).await;

    assert!(matches!(refused, Err(SyncError::Busy)));
    assert_eq!(world.device.balance().await, 10_000, "nothing is debited");
    world.provider.lose_nothing();
    world.provider.lose("/v1/withdrawals", Loss::Answer);
    let withdrawn = online.sync.withdraw(Some(amount(400))).await;
    assert!(withdrawn.is_ok(), "the deposit is finished first");
    assert_eq!(world.device.balance().await, 10_100);

    let refused = online.sync.deposit(amount(500)).await;

    assert!(matches!(refused, Err(SyncError::Busy)));
    assert_eq!(world.device.balance().await, 10_100);
    world.provider.lose_nothing();
    let _granted = online.sync.deposit(amount(500)).await.expect("granted");
    assert_eq!(world.device.balance().await, 10_600);
    assert_eq!(world.online().await, ONLINE - 600);
    assert_sound(&world.device);
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_nothing_is_debited() {
    let Alone {
        device,
        provider,
        _dir,
    } = Alone::new().await;
    provider.go_away();
    let online = go_online(&device);

    let refused = online.sync.withdraw(Some(amount(400))).await;

    assert!(matches!(refused, Err(SyncError::Unreachable(_))));
    assert_eq!(device.balance().await, 10_000);
    assert_eq!(provider.asked("/v1/withdrawals"), Vec::<Vec<u8>>::new());
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_what_the_device_holds_and_more_is_refused() {
    let world = Alone::new().await;
    let online = go_online(&world.device);
    let refused = online.sync.withdraw(Some(amount(10_001))).await;
    assert!(
        matches!(
            refused,
            Err(SyncError::Ta(wallet::ta::TaError::Refused(
                TaRefused::Balance
            )))
        ),
        "{refused:?}"
    );

    let withdrawn = online.sync.withdraw(None).await.expect("booked");

    assert!(matches!(
        withdrawn.withdrawal.stage,
        WithdrawStage::Closed { .. }
    ));
    assert_eq!(world.device.balance().await, 0);
    assert_eq!(world.online().await, TOTAL);
    let nothing = online.sync.withdraw(None).await;
    assert!(matches!(nothing, Err(SyncError::NothingHeld)));
    online.stop().await;
}

fn is_at_rest(device: &Device) -> bool {
    device
        .wallet
        .journal()
        .view(|book| book.withdrawals_open().next().is_none() && book.deposit_open().is_none())
}
