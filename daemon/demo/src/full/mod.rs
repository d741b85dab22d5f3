//! `cargo demo -- --full`: two providers under one root, and everything that can happen to money.

mod ends;
mod forger;
mod offline;
mod online;
mod root;

use api_types::Payment;
use blepay::failure::Failure;

use super::books::{self, Member, Outcome, Proven};
use super::device::{Device, DeviceKind};
use super::payment::unexpected;
use super::provider::Provider;
use super::script;
use super::stage::Stage;

/// What is paid in for Alice and Mallory, and what each moves onto the device.
const CREDIT: u64 = 10_000;
const ALICE_DEPOSIT: u64 = 5_000;
const MALLORY_DEPOSIT: u64 = 2_000;

/// Everybody who plays.
#[derive(Debug)]
struct Cast {
    /// Certifies Alice, Mallory and Kiosk.
    harbour: Provider,
    /// Certifies Ferry.
    island: Provider,
    alice: Device,
    /// A payee without a TA.
    kiosk: Device,
    ferry: Device,
    /// Will copy her TA's disk.
    mallory: Device,
}

/// Plays everything and returns where the money is in the end.
pub(super) async fn play(stage: &mut Stage<'_>) -> Result<Outcome, Failure> {
    let mut cast = enrol(stage).await?;
    let paid = offline::play(stage, &mut cast).await?;
    let proven = online::play(stage, &mut cast, paid).await?;
    forger::play(stage, &mut cast).await?;
    ends::play(stage, &mut cast).await?;

    close(stage, &mut cast, proven).await
}

async fn enrol(stage: &mut Stage<'_>) -> Result<Cast, Failure> {
    let (harbour, island) = root::play(stage).await?;

    stage.begin("Alice, Mallory and Kiosk enrol with Harbour Bank, Ferry with Island Bank")?;
    let alice = Device::start(stage, "Alice", DeviceKind::WithTa).await?;
    let kiosk = Device::start(stage, "Kiosk", DeviceKind::WithoutTa).await?;
    let ferry = Device::start(stage, "Ferry", DeviceKind::WithTa).await?;
    let mallory = Device::start(stage, "Mallory", DeviceKind::WithTa).await?;
    let at_harbour = harbour.enrolment()?;
    for device in [&alice, &mallory, &kiosk] {
        script::register(stage, device, &at_harbour).await?;
    }
    script::register(stage, &ferry, &island.enrolment()?).await?;

    stage.begin("Alice moves 50.00 onto her device, Mallory 20.00")?;
    script::deposit(stage, &harbour, &alice, (CREDIT, ALICE_DEPOSIT)).await?;
    script::deposit(stage, &harbour, &mallory, (CREDIT, MALLORY_DEPOSIT)).await?;

    Ok(Cast {
        harbour,
        island,
        alice,
        kiosk,
        ferry,
        mallory,
    })
}

async fn close(
    stage: &mut Stage<'_>,
    cast: &mut Cast,
    proven: Vec<Proven>,
) -> Result<Outcome, Failure> {
    stage.begin("Where all money is")?;
    let members = [
        Member {
            bank: &cast.harbour,
            devices: vec![&cast.alice],
            convicted: vec![&cast.mallory],
        },
        Member {
            bank: &cast.island,
            devices: vec![&cast.ferry],
            convicted: Vec::new(),
        },
    ];
    let outcome = books::close(stage, &members, proven).await?;
    cast.harbour.stop().await?;
    cast.island.stop().await?;

    Ok(outcome)
}

impl Cast {
    /// Takes the network away from everybody.
    async fn go_offline(&mut self) -> Result<(), Failure> {
        self.harbour.stop().await?;
        self.island.stop().await?;
        if self.alice.sync().await? != Some(false) {
            return Err(unexpected("the server still answers"));
        }

        Ok(())
    }

    /// Gives the network back.
    async fn go_online(&mut self, stage: &mut Stage<'_>) -> Result<(), Failure> {
        self.harbour.start(stage).await?;

        self.island.start(stage).await
    }
}

/// A payment that went through, with the device that holds its receipt.
#[derive(Debug)]
struct Paid {
    payer: Who,
    payment: Payment,
}

/// Who paid.
#[derive(Clone, Copy, Debug)]
enum Who {
    Alice,
    Ferry,
}
