//! The product as its owner uses it, in one place: `blepay` and the local API on a board.

mod paying;

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::board::{Board, Network, RUN_DISK, RUN_LIMIT};
use crate::failure::{Failure, Outcome, expect_that};
pub(crate) use paying::{pay, pay_by_command, wait_until_resumed};

const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const SERVICE_LIMIT: Duration = Duration::from_secs(300);
const REGISTER_LIMIT: Duration = Duration::from_secs(300);
/// How long a payment may take: finding the payee is most of it.
const PAY_LIMIT: Duration = Duration::from_secs(600);
/// How long a payer looks for a payee.
const SEARCH_S: u64 = 300;
pub(crate) const SOCKET: &str = "/run/blepay/api.sock";
/// What `blepay status --json` prints, for who asks often: less than half the work for an emulated processor.
pub(crate) const ASK_STATUS: &str =
    "curl -sS --fail --max-time 100 --unix-socket /run/blepay/api.sock http://blepay/v1/status";
const SERVICES: &str = "blepayd.service blepay-ta.service";
/// The same and the socket, in the order in which they are stopped.
pub(crate) const UNITS: &str = "blepayd.service blepay-ta.socket blepay-ta.service";

/// The packages of the two kinds of wallet.
pub(crate) const DAEMON: &str = "blepayd";
pub(crate) const TA: &str = "blepay-ta";

/// What a wallet is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds money on the device.
    WithTa,
    /// Can only be paid.
    WithoutTa,
}

/// Who says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Approval {
    Person,
    Policy,
}

/// One payment, as `blepay --json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Payment {
    /// Its id.
    pub(crate) id: String,
    /// `in` or `out`.
    pub(crate) direction: String,
    /// Where it stands.
    pub(crate) state: String,
    /// Why it ended without a receipt.
    #[expect(dead_code, reason = "shown with the rest when a scenario fails")]
    pub(crate) reason: Option<String>,
    /// The same for programs.
    #[serde(default)]
    pub(crate) failure: Option<String>,
    /// How much.
    pub(crate) amount: Option<Money>,
    /// What both screens show.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// The number under the sender TA's key.
    pub(crate) j: Option<u64>,
    /// The hash of P.
    pub(crate) hash: Option<String>,
    /// The payee's number of the request.
    pub(crate) request_id: Option<String>,
    /// Whether the receipt is held and verified.
    pub(crate) receipt_verified: bool,
    /// Whether P was sent again in a later session.
    pub(crate) resumed: bool,
    /// Whether the server holds P with its request.
    pub(crate) reported: bool,
    /// Whether the server has said the last word on it.
    pub(crate) settled: bool,
}

impl Payment {
    /// Returns whether it ended before the debit for want of time or of a link.
    pub(crate) fn moved_nothing(&self) -> bool {
        let why = self.failure.as_deref();
        self.state == "failed" && matches!(why, Some("not_found" | "busy"))
    }

    /// Returns whether it is a payment of that much.
    pub(crate) fn is_over(&self, minor_units: u64) -> bool {
        self.amount.as_ref().map(|amount| amount.minor_units) == Some(minor_units)
    }
}

/// An amount.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Money {
    /// In minor units.
    pub(crate) minor_units: u64,
}

/// One request, as `blepay --json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Request {
    /// Its id.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) state: String,
    /// What both screens show, while it is locked.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// What a payer scans, of one that is paid by URI alone.
    #[serde(default)]
    pub(crate) uri: Option<String>,
}

/// Where a wallet stands, as `blepay status --json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    /// Who it is.
    pub(crate) identity: Option<Identity>,
    /// What its trusted application says.
    pub(crate) ta: TaStatus,
    /// What the provider has not paid yet of trusted applications that ended.
    #[serde(default)]
    pub(crate) waiting: Vec<Waiting>,
}

/// What waits for the owner of a trusted application that ended.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Waiting {
    /// Its key.
    pub(crate) ta: String,
    /// How much.
    pub(crate) held: Money,
}

/// Who a wallet is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Identity {
    /// The client key.
    pub(crate) client: String,
    /// Whether the provider has certified it.
    pub(crate) registered: bool,
}

/// What a trusted application says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TaStatus {
    /// Its condition.
    pub(crate) state: String,
    /// What it holds.
    pub(crate) balance: Option<Money>,
    /// How many payments it has signed.
    pub(crate) j: u64,
    /// Its key.
    pub(crate) key: Option<String>,
    /// Why it is not ready.
    pub(crate) reason: Option<String>,
    /// How many payments it has signed since the last token.
    pub(crate) paid_count: u64,
    /// Limits that are nearly reached: warnings before it refuses.
    pub(crate) warnings: Vec<Warning>,
}

/// A limit that is nearly reached.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Warning {
    /// What it is about.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) message: String,
}

/// A command that was not carried out, as `blepay --json` says it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refusal {
    /// Stable, for programs.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Said {
    error: Refusal,
}

/// A provider's deny-list on a device, as `blepay lists --json` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DenyList {
    /// How many keys it names.
    pub(crate) entries: u64,
}

/// Installs packages from the run's disk on boards at once, and waits until the services run.
pub(crate) fn install_all(boards: &mut [(&mut Board, &[&str])]) -> Outcome<()> {
    let mut jobs = Vec::new();
    for (board, packages) in &mut *boards {
        let files: Vec<String> = packages
            .iter()
            .map(|package| format!("{RUN_DISK}/{package}_*.deb"))
            .collect();
        jobs.push(board.start(&format!("dpkg -i {}", files.join(" ")))?);
    }
    for ((board, _), job) in boards.iter_mut().zip(&jobs) {
        board.must_end(job, INSTALL_LIMIT)?;
        board.wait_until(
            "the daemon answers",
            &format!("systemctl is-active -q blepayd && test -S {SOCKET}"),
            SERVICE_LIMIT,
        )?;
    }

    Ok(())
}

/// Enrols with the provider and waits until it has certified the wallet.
pub(crate) fn init(
    board: &mut Board,
    enrolment: &str,
    name: &str,
    kind: Kind,
) -> Outcome<Identity> {
    board.put("/root/provider.json", enrolment.as_bytes())?;
    let without = match kind {
        Kind::WithTa => "",
        Kind::WithoutTa => "--payee-without-ta",
    };
    blepay::<Value>(
        board,
        &format!("init /root/provider.json --name {name} {without}"),
    )?;
    let ready = match kind {
        Kind::WithTa => r#""state":"ready""#,
        Kind::WithoutTa => r#""registered":true"#,
    };
    let condition = format!("{ASK_STATUS} | grep -q '{ready}'");
    board.wait_until(
        "the provider has certified the wallet",
        &condition,
        REGISTER_LIMIT,
    )?;
    let identity = status(board)?.identity;
    let identity = identity
        .ok_or_else(|| Failure::Unexpected(format!("{name} has no identity after init")))?;
    expect_that(identity.registered, || {
        format!("{name} is not registered after init")
    })?;

    Ok(identity)
}

/// Moves money from the online account onto the device.
pub(crate) fn deposit(board: &mut Board, amount: &str) -> Outcome<()> {
    let deposit: Value = blepay(board, &format!("deposit {amount}"))?;

    expect_that(deposit.get("state") == Some(&json!("granted")), || {
        format!("the deposit was not granted: {deposit}")
    })
}

/// Lets a payee be paid without confirmation.
pub(crate) fn trust(board: &mut Board, payee: &str, daily: &str) -> Outcome<()> {
    blepay::<Value>(board, &format!("trust {payee} --name till --daily {daily}"))?;

    Ok(())
}

/// Opens a request, which is advertised from then on.
pub(crate) fn request(board: &mut Board, amount: &str) -> Outcome<Request> {
    blepay(board, &format!("request {amount} --memo bench"))
}

/// Opens a request that only its URI opens.
pub(crate) fn request_by_uri(board: &mut Board, amount: &str) -> Outcome<Request> {
    blepay(board, &format!("request {amount} --memo bench --uri"))
}

/// Returns a request as it stands now.
pub(crate) fn request_state(board: &mut Board, id: &str) -> Outcome<Request> {
    let requests: Vec<Request> = blepay(board, "request --list")?;

    requests
        .into_iter()
        .find(|request| request.id == id)
        .ok_or_else(|| Failure::Unexpected(format!("the payee has forgotten request {id}")))
}

/// Begins to pay a payee's first open request as a person does, who has to approve, and returns at once.
///
/// No amount is named: a request that was paid stays on the air for a while, and who names another amount fails there.
pub(crate) fn begin(board: &mut Board, payee: &str) -> Outcome<Payment> {
    post(board, payee, Approval::Person)
}

/// The same, to a payee that the owner trusts: without confirmation.
pub(crate) fn begin_by_policy(board: &mut Board, payee: &str) -> Outcome<Payment> {
    post(board, payee, Approval::Policy)
}

fn post(board: &mut Board, payee: &str, approval: Approval) -> Outcome<Payment> {
    let order = json!({ "payee_key": payee, "approve": approval == Approval::Policy });

    begin_order(board, &order)
}

/// Begins a payment that says whom it is for, and returns at once.
pub(crate) fn begin_order(board: &mut Board, order: &Value) -> Outcome<Payment> {
    let mut order = order.clone();
    if let Some(order) = order.as_object_mut() {
        order.insert("timeout_s".to_owned(), json!(SEARCH_S));
    }
    let command = format!(
        "curl -sS --fail-with-body --max-time 300 --unix-socket {SOCKET} --json '{order}' http://blepay/v1/payments"
    );

    parse(&board.must(&command)?)
}

/// Says yes, as the person does who looks at the screen.
pub(crate) fn approve(board: &mut Board, payment: &str) -> Outcome<()> {
    let command = format!(
        "curl -sS --fail-with-body --max-time 300 --unix-socket {SOCKET} --json '{{}}' http://blepay/v1/payments/{payment}/approve"
    );
    board.must(&command)?;

    Ok(())
}

/// Waits until a payment's state is one of the given ones.
pub(crate) fn wait_for_state(
    board: &mut Board,
    payment: &str,
    states: &[&str],
    limit: Duration,
) -> Outcome<Payment> {
    let alternatives = states.join("|");
    let condition = format!(
        "curl -sS --max-time 100 --unix-socket {SOCKET} http://blepay/v1/payments/{payment} | grep -qE '\"state\":\"({alternatives})\"'"
    );
    board.wait_until(
        &format!("the payment is {}", states.join(" or ")),
        &condition,
        limit,
    )?;

    parse(&board.must(&format!(
        "curl -sS --max-time 100 --unix-socket {SOCKET} http://blepay/v1/payments/{payment}"
    ))?)
}

/// Lists all payments, newest first.
pub(crate) fn history(board: &mut Board) -> Outcome<Vec<Payment>> {
    blepay(board, "history --limit 200")
}

/// Carries everything to the server now.
pub(crate) fn sync(board: &mut Board) -> Outcome<()> {
    blepay::<Value>(board, "sync")?;

    Ok(())
}

/// Shows the deny-lists on the device.
pub(crate) fn lists(board: &mut Board) -> Outcome<Vec<DenyList>> {
    blepay(board, "lists")
}

/// Runs a command that must not be carried out, and returns what it says.
pub(crate) fn refused(board: &mut Board, words: &str) -> Outcome<Refusal> {
    let output = board.run(&format!("blepay --json {words}"), PAY_LIMIT)?;
    expect_that(output.code != 0, || {
        format!("`blepay {words}` was carried out: {}", output.stdout)
    })?;
    let said: Said = parse(&output.stdout)?;

    Ok(said.error)
}

/// Runs a command that has to be carried out and returns its JSON.
pub(crate) fn told(board: &mut Board, words: &str) -> Outcome<Value> {
    blepay(board, words)
}

/// Returns where the wallet stands.
pub(crate) fn status(board: &mut Board) -> Outcome<Status> {
    parse(&board.must(ASK_STATUS)?)
}

/// Returns what the wallet's trusted application holds, in minor units.
pub(crate) fn balance(board: &mut Board) -> Outcome<u64> {
    let ta = status(board)?.ta;

    ta.balance
        .map(|balance| balance.minor_units)
        .ok_or_else(|| {
            Failure::Unexpected(format!(
                "the trusted application is {} and tells no balance",
                ta.state
            ))
        })
}

/// Switches a board's network and waits until NetworkManager says so.
pub(crate) fn network(board: &mut Board, network: Network) -> Outcome<()> {
    Board::switch_networks(&mut [board], network)
}

/// Returns a text that changes when one of our services was started again.
pub(crate) fn instances(board: &mut Board) -> Outcome<String> {
    board.must(&format!(
        "systemctl show -p Id,MainPID,NRestarts {SERVICES}"
    ))
}

fn blepay<T: DeserializeOwned>(board: &mut Board, words: &str) -> Outcome<T> {
    blepay_within(board, words, RUN_LIMIT)
}

fn blepay_within<T: DeserializeOwned>(
    board: &mut Board,
    words: &str,
    limit: Duration,
) -> Outcome<T> {
    parse(&board.must_within(&format!("blepay --json {words}"), limit)?)
}

fn parse<T: DeserializeOwned>(text: &str) -> Outcome<T> {
    serde_json::from_str(text.trim()).map_err(|error| {
        Failure::Unexpected(format!(
            "blepay's JSON is not as expected ({error}): {text}"
        ))
    })
}
