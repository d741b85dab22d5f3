//! `blepay init`.

use std::io::Read as _;
use std::path::Path;

use api_types::client::Client;
use api_types::{InitOrder, Status, TaCondition};
use ops_proto::enrolment::Enrolment;

use crate::args::Init;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Largest enrolment file, in bytes.
const ENROLMENT_SIZE_MAX: u64 = 64 * 1024;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Init,
) -> Result<(), Failure> {
    let order = InitOrder {
        enrolment: read(&args.enrolment)?,
        name: match args.name {
            Some(name) => name,
            None => host_name()?,
        },
        with_ta: !args.payee_without_ta,
    };
    terminal.waiting("Enrolling…");
    let status: Status = client.post("/v1/init", &order).await?;

    terminal.data(&status, &text(&status))
}

fn text(status: &Status) -> String {
    let Some(identity) = &status.identity else {
        return "The wallet is made.".to_owned();
    };
    let ready = match status.ta.state {
        TaCondition::None => identity.registered,
        TaCondition::Ready => true,
        TaCondition::Unreachable
        | TaCondition::Uncertified
        | TaCondition::Dead
        | TaCondition::Retired => false,
    };
    let who = format!(
        "{} at {}, {}",
        identity.name, identity.provider, identity.currency
    );
    if ready && identity.registered {
        return format!("Enrolled: {who}.");
    }
    let reason = match (&status.ta.state, &status.ta.reason) {
        (TaCondition::Unreachable | TaCondition::Dead | TaCondition::Retired, Some(reason)) => {
            reason.clone()
        }
        (_, _) => format!("{} has not answered yet", identity.server),
    };

    format!(
        "Made the wallet: {who}.\nNot registered yet: {reason}. The daemon goes on trying by itself."
    )
}

fn read(path: &Path) -> Result<Enrolment, Failure> {
    let refused = |message: String| {
        Failure::refused(
            "enrolment",
            format!("{} is not an enrolment file: {message}", path.display()),
            "ask the provider for one: blepay-server enrol",
        )
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        let stdin = std::io::stdin().lock();
        stdin.take(ENROLMENT_SIZE_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(ENROLMENT_SIZE_MAX).read_to_string(&mut text))
    };
    let _size = read.map_err(|error| refused(error.to_string()))?;
    if text.trim().is_empty() {
        return Err(refused(
            "it is empty; did the command that wrote it fail?".to_owned(),
        ));
    }

    serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
}

fn host_name() -> Result<String, Failure> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        return Err(Failure::usage(
            "this machine has no name",
            "give one that people will see: --name \"Ferry Café\"",
        ));
    }

    Ok(name.to_owned())
}
