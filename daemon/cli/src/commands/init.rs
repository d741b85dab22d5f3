//! `blepay init`.

use std::io::Read as _;
use std::path::Path;

use api_types::client::Client;
use api_types::{ErrorBody, InitOrder, Status, TaCondition};
use ops_proto::Name;
use ops_proto::enrolment::Enrolment;

use super::ASK_STATUS;
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
    terminal.acted(ASK_STATUS);
    if let Some(refused) = refused(&status) {
        return Err(refused);
    }

    terminal.data(&status, &text(&status))
}

/// Returns why the provider did not register the wallet: it answered, so no waiting helps.
fn refused(status: &Status) -> Option<Failure> {
    let identity = status.identity.as_ref()?;
    let error = unregistered(status)?;
    if is_ready(status) || HEALS.contains(&error.code.as_str()) {
        return None;
    }
    let message = format!(
        "the wallet {} is made and not registered: {}",
        identity.name, error.message
    );

    Some(Failure::refused(
        &error.code,
        message,
        format!(
            "{}; then run blepay init again, --name gives another name",
            error.hint
        ),
    ))
}

/// Returns what kept the registration back: its own parts come before what else failed.
pub(super) fn unregistered(status: &Status) -> Option<&ErrorBody> {
    let failed = |part: &'static str| {
        let mut parts = status.sync.parts.iter().filter(move |it| it.part == part);
        parts.find_map(|part| part.error.as_ref())
    };
    let mut others = status.sync.parts.iter();

    failed("register_client")
        .or_else(|| failed("register_ta"))
        .or_else(|| others.find_map(|part| part.error.as_ref()))
}

/// Codes of what passes without anybody's help.
const HEALS: [&str; 6] = [
    "offline",
    "server-busy",
    "server-failed",
    "server-restored",
    "ta-unreachable",
    "stopping",
];

fn is_ready(status: &Status) -> bool {
    let is_registered = status
        .identity
        .as_ref()
        .is_some_and(|identity| identity.registered);
    match status.ta.state {
        TaCondition::None | TaCondition::Ready => is_registered,
        TaCondition::Unreachable
        | TaCondition::Uncertified
        | TaCondition::Dead
        | TaCondition::Retired => false,
    }
}

fn text(status: &Status) -> String {
    let Some(identity) = &status.identity else {
        return "The wallet is made.".to_owned();
    };
    let who = format!(
        "{} at {}, {}",
        identity.name, identity.provider, identity.currency
    );
    if is_ready(status) {
        return format!("Enrolled: {who}.");
    }
    let reason = match (&status.ta.state, &status.ta.reason, unregistered(status)) {
        (TaCondition::Unreachable | TaCondition::Dead | TaCondition::Retired, Some(reason), _) => {
            reason.clone()
        }
        (_, _, Some(error)) => error.message.clone(),
        (_, _, None) => format!("{} has not answered yet", identity.server),
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

    if let Err(refused) = name.parse::<Name>() {
        return Err(Failure::usage(
            format!("this machine's name {name:?} cannot be the wallet's: {refused}"),
            "give one that people will see: --name \"Ferry Café\"",
        ));
    }

    Ok(name.to_owned())
}
