//! Act four: Mallory puts an old copy of her TA's disk back, pays twice with one number, is convicted,
//! and is refused by somebody who has not been online since.

use std::fs;
use std::io;
use std::path::Path;

use api_types::PaymentState;
use api_types::protection::DenyList;
use blepay::failure::Failure;
use serde_json::Value;

use super::super::device::{Device, Part};
use super::super::payment::{self, must_be_received, unexpected};
use super::super::processes::output;
use super::super::stage::Stage;
use super::Cast;

const LOOT: u64 = 700;
const TICKET: u64 = 100;

pub(super) async fn play(stage: &mut Stage<'_>, cast: &mut Cast) -> Result<(), Failure> {
    stage.begin("Offline, Mallory pays 7.00 to Kiosk, puts an old copy of her device's disk back, and pays again")?;
    cast.go_offline().await?;
    let copy = stage.folder().join("mallory.copy");
    cast.mallory.switch_off().await?;
    copy_parts(&cast.mallory, &copy, Way::Save)?;
    cast.mallory.switch_on(stage).await?;
    pay_loot(stage, cast).await?;
    put_back(stage, cast, &copy).await?;
    pay_loot(stage, cast).await?;
    stage.say("Both payments verify, and nobody offline can know: each has the same n and j")?;

    stage.begin(
        "Kiosk hands both in: the server convicts Mallory, with evidence that needs no server",
    )?;
    cast.harbour.start(stage).await?;
    if cast.kiosk.sync().await? != Some(true) {
        return Err(unexpected("Kiosk's server does not answer"));
    }
    convict(stage, cast)?;

    stage
        .begin("Alice goes online for a moment; Ferry does not, and hears of Mallory from Alice")?;
    if cast.alice.sync().await? != Some(true) {
        return Err(unexpected("Alice's server does not answer"));
    }
    cast.harbour.stop().await?;
    gossip(stage, cast).await?;

    stage.begin("Mallory tries Ferry")?;
    put_back(stage, cast, &copy).await?;
    refused(stage, cast).await?;
    cast.mallory.switch_off().await?;
    copy_parts(
        &cast.mallory,
        &stage.folder().join("mallory.last"),
        Way::Save,
    )?;
    cast.mallory.switch_on(stage).await?;

    stage.begin("The network is back")?;
    cast.go_online(stage).await
}

async fn pay_loot(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let paid = payment::pay(stage, &cast.mallory, &cast.kiosk, LOOT, None).await?;
    let paid = cast.mallory.payment(&must_be_received(paid)?.id).await?;
    let j = paid.j.map_or_else(String::new, |j| j.to_string());

    stage.say(&format!("Kiosk's receipt is there; j = {j}"))
}

async fn put_back(stage: &mut Stage<'_>, cast: &mut Cast, copy: &Path) -> Result<(), Failure> {
    cast.mallory.switch_off().await?;
    copy_parts(&cast.mallory, copy, Way::PutBack)?;

    cast.mallory.switch_on(stage).await
}

fn convict(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let findings: Vec<Value> = cast.harbour.ask(&["evidence", "list"], &["--json"])?;
    let id = findings
        .iter()
        .find_map(|finding| finding.get("id").and_then(Value::as_i64))
        .ok_or_else(|| unexpected("the server has found nothing against Mallory"))?;
    let file = cast.harbour.file("evidence");
    let _exported = cast
        .harbour
        .command(&["evidence", "export", &id.to_string()], &["--out", &file])?;
    let root = stage.folder().join("root").join("root.pub");
    let verify = [
        "evidence",
        "verify",
        &file,
        "--root",
        &root.to_string_lossy(),
    ];
    let verdict = output("blepay-server", verify)?;
    for line in verdict.lines().take(VERDICT_LINES_SHOWN) {
        stage.say(line)?;
    }

    Ok(())
}

async fn gossip(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    if named(&cast.ferry).await? != 0 {
        return Err(unexpected("Ferry knew of Mallory already"));
    }
    let paid = payment::pay(
        stage,
        &cast.alice,
        &cast.ferry,
        TICKET,
        Some(super::offline::PIN),
    )
    .await?;
    let _received = must_be_received(paid)?;
    let deadline = super::super::processes::deadline();
    while named(&cast.ferry).await? == 0 {
        if tokio::time::Instant::now() > deadline {
            return Err(unexpected("the list did not come with the payment"));
        }
        tokio::time::sleep(super::online::POLL_INTERVAL).await;
    }

    stage.say("After the receipt, Alice's device passed the deny-list on")
}

/// Returns how many keys the lists of a device name.
async fn named(device: &Device) -> Result<u64, Failure> {
    let lists: Vec<DenyList> = device.client.get("/v1/lists").await?;

    Ok(lists
        .iter()
        .fold(0, |sum, list| list.entries.saturating_add(sum)))
}

async fn refused(stage: &mut Stage<'_>, cast: &Cast) -> Result<(), Failure> {
    let before = cast.mallory.balance().await?;
    let payment = payment::pay(stage, &cast.mallory, &cast.ferry, LOOT, None).await?;
    if payment.state != PaymentState::Failed || cast.mallory.balance().await? != before {
        return Err(unexpected("Ferry took a payment of a listed TA"));
    }

    stage.say(&format!(
        "Refused before the lock, nothing moved: {}",
        payment.reason.unwrap_or_default()
    ))
}

/// Which way a device's disk is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Save,
    PutBack,
}

/// Copies what a device has on its disk; it has to be switched off.
fn copy_parts(device: &Device, copy: &Path, way: Way) -> Result<(), Failure> {
    for (part, name) in [(Part::Ta, "ta"), (Part::Daemon, "state")] {
        let (on_device, saved) = (device.part(part), copy.join(name));
        let (from, to) = match way {
            Way::Save => (on_device, saved),
            Way::PutBack => (saved, on_device),
        };
        match fs::remove_dir_all(&to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        copy_folder(&from, &to)?;
    }

    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            let _bytes = fs::copy(entry.path(), target)?;
        }
    }

    Ok(())
}

/// The names and the contradiction; the statements follow in the file.
const VERDICT_LINES_SHOWN: usize = 3;
