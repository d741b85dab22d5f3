//! Act one: a root that stays offline certifies two providers, who then take each other's payments.

use std::fs;

use blepay::failure::Failure;

use super::super::processes::output;
use super::super::provider::Provider;
use super::super::stage::Stage;

/// What one provider may owe the other before it has to settle.
const EXPOSURE: &str = "500.00";

pub(super) async fn play(stage: &mut Stage<'_>) -> Result<(Provider, Provider), Failure> {
    stage.begin("A root is made; its key stays offline. It certifies two providers")?;
    let root = stage.folder().join("root").to_string_lossy().into_owned();
    let _made = output("blepay-server", ["ca", "root", "--out", &root])?;
    let mut harbour = certified(stage, "Harbour Bank", &root)?;
    let mut island = certified(stage, "Island Bank", &root)?;
    install_directory(stage, &root, &[&harbour, &island])?;
    for provider in [&mut harbour, &mut island] {
        provider.start(stage).await?;
    }

    stage
        .begin("Each provider takes the other's payments, as long as it is owed at most 500.00")?;
    introduce(stage, &mut harbour, &island)?;
    introduce(stage, &mut island, &harbour)?;

    Ok((harbour, island))
}

/// Makes a provider, has its keys certified by the root, and installs the certificate.
fn certified(stage: &mut Stage<'_>, name: &'static str, root: &str) -> Result<Provider, Failure> {
    let provider = Provider::make(stage, name, &["--root-public", &format!("{root}/root.pub")])?;
    let request = provider.file("request");
    let certificate = provider.file("cert");
    let _asked = provider.command(&["ca", "request"], &["--out", &request])?;
    let certify = [
        "ca",
        "certify",
        "--root",
        root,
        &request,
        "--days",
        "730",
        "--out",
        &certificate,
        "--yes",
    ];
    let _signed = output("blepay-server", certify)?;
    let _installed = provider.command(&["ca", "install"], &[&certificate])?;
    stage.say(&format!("{name}: keys made, certified for two years"))?;

    Ok(provider)
}

/// Signs the directory of providers and their list keys, which devices carry.
fn install_directory(
    stage: &mut Stage<'_>,
    root: &str,
    providers: &[&Provider],
) -> Result<(), Failure> {
    let directory = stage.folder().join("root.directory");
    let directory = directory.to_string_lossy();
    let sign = ["ca", "directory", "--root", root, "--out", &directory];
    let _signed = output("blepay-server", sign)?;
    for provider in providers {
        let _installed = provider.command(&["ca", "install"], &[&directory])?;
    }

    stage.say("The root's directory names both, and the keys of their deny-lists")
}

fn introduce(stage: &mut Stage<'_>, to: &mut Provider, peer: &Provider) -> Result<(), Failure> {
    let file = peer.file("enrolment");
    let enrolment = serde_json::to_string(&peer.enrolment()?)
        .map_err(|error| Failure::refused("demo", error, "the logs tell more"))?;
    fs::write(&file, enrolment)?;
    let added = to.command(
        &["peers", "add"],
        &["--from", &file, "--exposure", EXPOSURE],
    )?;

    stage.say(&format!("{}: {}", to.name, added.trim()))
}
