//! The ends of TAs: retired or dead, what they held is in exactly one place, whatever is the last step.

use std::time::Duration;

use journal::book::TaEnd;
use kit::provider::{Loss, ON_TA, ONLINE, Provider, TOTAL, go_online};
use kit::{Device, Faults, amount, eventually, unless_power_goes};
use ops_proto::PublicKey;
use sync::SyncError;
use wallet::ta::TaAccess;
use wallet::ta::TaError;
use wallet::{Registration, WalletError};

use crate::alone::{Alone, assert_sound};
use crate::interrupted::{self, at_commands, at_commits};

/// More commits than the end of a TA takes.
const COMMITS_MAX: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn any_commit_may_be_the_last_and_a_ta_that_retires_is_paid_once_or_goes_on() {
    let ended = interrupted::all(at_commits(COMMITS_MAX), interrupted).await;

    assert!(ended.contains(&false), "one was cut before the statement");
    assert!(ended.contains(&true), "one was cut after the statement");
}

/// More commands than the end of a TA takes, the first of the session included.
const COMMANDS_MAX: u32 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_ta_whose_answer_is_lost_at_any_command_retires_once() {
    let ended = interrupted::all(at_commands(COMMANDS_MAX), interrupted).await;

    assert!(ended.into_iter().all(|ended| ended), "it is asked again");
}

/// Retires the TA with faults, starts the device anew without, and returns whether the TA ended.
async fn interrupted(provider: &Provider, device: Device, faults: Faults) -> bool {
    let device = device.stop().await.start_with(faults).await;
    let online = go_online(&device);
    let last = unless_power_goes(&device, online.sync.retire()).await;
    let what = format!("{faults:?}: {last:?}");
    online.stop().await;

    let device = device.stop().await.start().await;
    let online = go_online(&device);
    let _status = online.sync.run().await.expect("runs");

    let has_ended = || {
        let journal = device.wallet.journal();
        journal.view(|book| !book.ended().is_empty())
    };
    eventually(&what, || async {
        let is_open = device
            .wallet
            .journal()
            .view(|book| book.retire_open().is_some());
        let balance = if has_ended() {
            0
        } else {
            device.balance().await
        };

        !is_open && balance.saturating_add(provider.outside(&device).await) == TOTAL
    })
    .await;
    online.stop().await;
    assert_sound(&device);

    has_ended()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_statement_is_sent_again_and_the_ta_signs_nothing_meanwhile() {
    for loss in [Loss::Request, Loss::Answer] {
        let world = Alone::new().await;
        let online = go_online(&world.device);
        world.provider.lose("/v1/retirements", loss);

        let ended = online.sync.retire().await.expect("signed");

        assert!(ended.pending.is_some() && ended.held.is_none());
        let refused = online.sync.withdraw(Some(amount(100))).await;
        assert!(matches!(refused, Err(SyncError::Ta(TaError::Ended))));
        let looked = world.device.wallet.nearby(Duration::from_secs(1)).await;
        assert!(
            matches!(looked, Err(WalletError::Ta(TaError::Ended))),
            "{looked:?}"
        );
        world.provider.lose_nothing();
        let _status = online.sync.run().await.expect("runs");
        let online_account = world.provider.online(&world.device).await;
        assert_eq!(online_account, TOTAL, "{loss:?}");
        online.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_retirement_a_new_ta_is_registered_by_itself_and_the_old_one_is_never_used_again() {
    let Alone {
        device,
        provider,
        _dir,
    } = Alone::new().await;
    let online = go_online(&device);
    let ended = online.sync.retire().await.expect("booked");
    assert_eq!(ended.held.map(|held| held.paid.minor_units()), Some(ON_TA));
    online.stop().await;
    eventually("the old TA is not asked", || async {
        access(&device) == TaAccess::Ended
    })
    .await;
    let old = ended.ta;

    let stopped = device.stop().await.with_new_ta();
    let device = stopped.start().await;
    let online = go_online(&device);
    let _status = online.sync.run().await.expect("runs");

    let new = key(&device).expect("a new TA");
    assert_ne!(new, old);
    let status = device.wallet.status().await;
    assert_eq!(status.registration, Registration::Complete);
    let _granted = online.sync.deposit(amount(700)).await.expect("granted");
    assert_eq!(device.balance().await, 700, "its counters begin anew");
    assert_eq!(provider.online(&device).await, TOTAL - 700);
    online.stop().await;
    assert_sound(&device);

    let device = device.stop().await.with_ended_ta().start().await;
    eventually("the old TA is found out", || async {
        access(&device) != TaAccess::Opening
    })
    .await;
    assert_eq!(access(&device), TaAccess::Ended);
    assert_eq!(key(&device), Some(new), "the journal keeps the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_ta_is_reported_dead_and_what_it_held_waits_while_a_new_one_pays() {
    let Alone {
        device,
        provider,
        _dir,
    } = Alone::new().await;
    let old = key(&device).expect("a TA");
    let stopped = device.stop().await;
    stopped.copy_ta();
    let device = stopped.start().await;
    let online = go_online(&device);
    // the copy does not know of this one, whose request is lost until the TA is dead
    provider.lose("/v1/withdrawals", Loss::Request);
    let _open = online.sync.withdraw(Some(amount(400))).await.expect("open");
    online.stop().await;
    provider.lose_nothing();

    let device = device.stop().await.with_copied_ta().start().await;
    eventually("it is halted", || async {
        matches!(access(&device), TaAccess::Halted(_))
    })
    .await;
    let online = go_online(&device);
    let other = online.sync.recover(PublicKey([9; 32])).await;
    assert!(matches!(other, Err(SyncError::OtherTa)));
    let ended = online.sync.recover(old).await.expect("booked");

    let held = ended.held.expect("the provider says so");
    assert_eq!(held.held.minor_units(), 9600);
    assert!(held.payable_from.is_some());
    assert_eq!(
        provider.online(&device).await,
        ONLINE + 400,
        "what it signed before is booked"
    );
    assert_eq!(provider.outside(&device).await, TOTAL);
    online.stop().await;
    assert_sound(&device);

    let device = device.stop().await;
    let device = device.with_another_ta().start().await;
    let online = go_online(&device);
    let _status = online.sync.run().await.expect("runs");
    let _granted = online.sync.deposit(amount(700)).await.expect("granted");
    assert_eq!(device.balance().await, 700);
    let waits = device.wallet.journal().view(|book| {
        let ended = book.ended().first().expect("it is kept").clone();
        assert!(matches!(ended.end, TaEnd::Dead { .. }));
        ended.held().map(|held| held.held.minor_units())
    });
    assert_eq!(waits, Some(9600));
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ta_that_works_is_not_reported_dead() {
    let world = Alone::new().await;
    let online = go_online(&world.device);
    let ta = key(&world.device).expect("a TA");

    let refused = online.sync.recover(ta).await;

    assert!(matches!(refused, Err(SyncError::TaWorks)), "{refused:?}");
    assert_eq!(world.provider.asked("/v1/deaths"), Vec::<Vec<u8>>::new());
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_the_server_did_not_hear_is_reported_until_it_does() {
    let Alone {
        device,
        provider,
        _dir,
    } = Alone::new().await;
    let stopped = device.stop().await;
    stopped.copy_ta();
    let device = stopped.start().await;
    let online = go_online(&device);
    let _booked = online.sync.withdraw(Some(amount(400))).await.expect("ok");
    online.stop().await;
    let device = device.stop().await.with_copied_ta().start().await;
    eventually("it is halted", || async {
        matches!(access(&device), TaAccess::Halted(_))
    })
    .await;
    let ta = key(&device).expect("a TA");
    provider.lose("/v1/deaths", Loss::Answer);
    let online = go_online(&device);

    let ended = online.sync.recover(ta).await.expect("recorded");
    assert!(ended.held.is_none() && ended.pending.is_some());
    provider.lose_nothing();
    let _status = online.sync.run().await.expect("runs");

    let held = device.wallet.journal().view(|book| {
        let held = book.ended().first().expect("ended").held();
        held.map(|held| held.held.minor_units())
    });
    assert_eq!(held, Some(9600));
    assert_eq!(provider.outside(&device).await, TOTAL);
    online.stop().await;
}

fn access(device: &Device) -> TaAccess {
    device.wallet.ta().expect("a TA").access().borrow().clone()
}

fn key(device: &Device) -> Option<PublicKey> {
    device
        .wallet
        .journal()
        .view(|book| book.ta().map(|ta| ta.key))
}
