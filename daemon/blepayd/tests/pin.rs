//! The PIN goes from the person to the TA: nobody pays without it where it is asked for, and it stays
//! nowhere.

use kit::{Bank, Device, Faults, Kind, TaFault, amount, conserved};
use ops_proto::contract::{Command, Output, Pin, TaRefused};
use tempfile::TempDir;
use wallet::{
    Asks, FailureClass, Mode, PaymentEvent, PaymentOrder, PinChange, Target, WalletError,
};

const RIGHT: &str = "493170";
const WRONG: &str = "000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_above_the_floor_takes_the_pin_and_a_wrong_one_pays_nothing() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    set(&ada, None, RIGHT, Some(1000)).await.expect("set");

    let below = pay(&ada, &ferry, 400, None, None).await;
    assert_eq!(below.asked, None, "below the floor nobody is asked");
    assert!(matches!(below.last, PaymentEvent::Paid { .. }));

    let wrong = pay(&ada, &ferry, 1250, Some(WRONG), None).await;
    let left = wrong.asked.expect("asked");
    let PaymentEvent::Failed { class, message } = wrong.last else {
        unreachable!("{:?}", wrong.last);
    };
    assert_eq!(class, FailureClass::RefusedByTa);
    let fewer = format!("{} tries are left", left - 1);
    assert!(message.contains(&fewer), "{message}");
    assert_eq!(ada.balance().await, 9600);

    let right = pay(&ada, &ferry, 1250, Some(RIGHT), None).await;
    assert!(
        matches!(right.last, PaymentEvent::Paid { .. }),
        "{:?}",
        right.last
    );
    conserved(&ada, &ferry, 20_000).await;
    assert_pin_is_nowhere(world.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_pays_with_the_pin_it_was_given_and_asks_a_person_without() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    set(&ada, None, RIGHT, Some(0)).await.expect("set");
    let key = ferry.wallet.journal().view(|book| Some(book.ta()?.key));
    let name = "Ferry".parse().expect("a name");
    let named = ada
        .wallet
        .approve_payee(key.expect("a TA"), name, amount(5000));
    named.await.expect("named");

    let without = pay(&ada, &ferry, 100, None, Some(Policy(None))).await;
    let with = pay(&ada, &ferry, 100, None, Some(Policy(Some(RIGHT)))).await;

    assert!(without.asked.is_some());
    assert!(matches!(
        without.last,
        PaymentEvent::Failed {
            class: FailureClass::Declined,
            ..
        }
    ));
    assert_eq!(with.asked, None);
    assert!(
        matches!(with.last, PaymentEvent::Paid { .. }),
        "{:?}",
        with.last
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_changed_by_who_knows_it_and_a_wrong_one_counts() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let short = set(&ada, None, "123", None).await;
    assert!(is_refused(&short, TaRefused::PinForm), "{short:?}");
    let before = set(&ada, None, WRONG, None).await.expect("set");

    let guessed = set(&ada, Some("999999"), RIGHT, None).await;
    assert!(is_refused(&guessed, TaRefused::Pin), "{guessed:?}");
    let Err(WalletError::Pin { tries_left, .. }) = guessed else {
        unreachable!("refused");
    };
    assert_eq!(tries_left, Some(before - 1));
    let after = set(&ada, Some(WRONG), RIGHT, None).await.expect("changed");
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_pin_stops_payments_before_the_payee_is_locked_and_says_what_to_do() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let tries = set(&ada, None, RIGHT, Some(0)).await.expect("set");
    for _ in 0..tries {
        let guessed = set(&ada, Some(WRONG), RIGHT, None).await;
        assert!(is_refused(&guessed, TaRefused::Pin), "{guessed:?}");
    }

    let paid = pay(&ada, &ferry, 100, Some(RIGHT), None).await;

    assert_eq!(paid.asked, None, "nobody is asked in vain");
    let PaymentEvent::Failed { message, .. } = paid.last else {
        unreachable!("{:?}", paid.last);
    };
    assert!(message.contains("withdraw, retire"), "{message}");
    assert_eq!(ada.balance().await, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_whose_answer_is_lost_goes_to_the_ta_once_and_costs_one_try_at_most() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let before = set(&ada, None, RIGHT, Some(0)).await.expect("set");
    let answer_is_lost = Faults {
        ta: TaFault::AfterPin,
        ..Faults::NONE
    };

    let ada = ada.stop().await.start_with(answer_is_lost).await;
    let wrong = pay(&ada, &ferry, 1250, Some(WRONG), None).await;
    let PaymentEvent::Failed { class, message } = wrong.last else {
        unreachable!("{:?}", wrong.last);
    };
    assert_eq!(class, FailureClass::RefusedByTa);
    assert!(message.contains("nothing was paid"), "{message}");
    assert_eq!(tries_left(&ada).await, before - 1);

    let ada = ada.stop().await.start_with(answer_is_lost).await;
    let guessed = set(&ada, Some(WRONG), "123456", None).await;
    assert!(guessed.is_err(), "its answer is lost");
    assert_eq!(tries_left(&ada).await, before - 2);

    let ada = ada.stop().await.start_with(answer_is_lost).await;
    let right = pay(&ada, &ferry, 1250, Some(RIGHT), None).await;
    assert!(
        matches!(right.last, PaymentEvent::Paid { .. }),
        "{:?}",
        right.last
    );
    assert_eq!(tries_left(&ada).await, before);
    assert_eq!(ada.outgoing().len(), 1);
    conserved(&ada, &ferry, 20_000).await;
}

/// What a payment by policy is given.
struct Policy(Option<&'static str>);

struct Paid {
    /// The tries that were left when the PIN was asked for.
    asked: Option<u8>,
    last: PaymentEvent,
}

async fn pay(
    payer: &Device,
    payee: &Device,
    minor_units: u64,
    pin: Option<&str>,
    policy: Option<Policy>,
) -> Paid {
    let request = payee.request(minor_units, Mode::Announced).await;
    let given = policy.as_ref().and_then(|policy| policy.0);
    let order = PaymentOrder {
        target: Target::Tag(request.tag),
        expected: None,
        asks: match policy {
            Some(_) => Asks::UnlessPolicy,
            None => Asks::Always,
        },
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: given.map(to_pin),
    };
    // who is named by the owner was looked at before
    payer
        .wallet
        .nearby(std::time::Duration::from_millis(300))
        .await
        .expect("a radio");
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let controls = handle.controls();
    let (mut asked, mut last) = (None, None);
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked {
            pin: tries,
            by_policy,
            ..
        } = &event
        {
            asked = *tries;
            let _decided = match (by_policy, policy.is_some()) {
                (true, _) => true,
                (false, true) => controls.decline(),
                (false, false) => controls.approve(pin.map(to_pin)),
            };
        }
        last = Some(event);
    }

    Paid {
        asked,
        last: last.expect("a last event"),
    }
}

async fn set(
    device: &Device,
    old: Option<&str>,
    new: &str,
    floor: Option<u64>,
) -> Result<u8, WalletError> {
    let change = PinChange {
        old: old.map(to_pin),
        new: to_pin(new),
        floor,
    };
    let pin = device.wallet.set_pin(change).await?;

    Ok(pin.tries_left)
}

async fn tries_left(device: &Device) -> u8 {
    let ta = device.wallet.ta().expect("a TA");
    let Ok(Output::State(state)) = ta.invoke(Command::Inspect).await else {
        unreachable!("the TA answers");
    };

    state.pin.tries_left
}

fn to_pin(digits: &str) -> Pin {
    Pin::new(digits.to_owned())
}

fn is_refused(outcome: &Result<u8, WalletError>, expected: TaRefused) -> bool {
    matches!(outcome, Err(WalletError::Pin { refused, .. }) if *refused == expected)
}

/// No file of the device but the TA's own sealed state may know the digits; nor does that.
fn assert_pin_is_nowhere(world: &std::path::Path) {
    let mut folders = vec![world.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).expect("readable");
                for pin in [RIGHT, WRONG] {
                    let found = bytes.windows(6).any(|window| window == pin.as_bytes());
                    assert!(!found, "{} knows a PIN", entry.path().display());
                }
            }
        }
    }
}
