//! The command line as people use it: exit codes, and sentences that say what to do.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use api_types::Doctor;
use journal::book::RequestShown;
use kit::server::{Server, Tls, told};
use kit::{Bank, Device, Kind, Till, eventually, pay};
use ops_proto::enrolment::Enrolment;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use wallet::{Asks, Mode, PaymentEvent, PaymentOrder, Target};

#[tokio::test(flavor = "multi_thread")]
async fn pay_stops_looking_when_the_time_is_over() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let key = "ab".repeat(32);

    for payee in ["Nobody", key.as_str()] {
        let begun = Instant::now();
        let output = run(&till.socket, &["pay", payee, "--yes", "--timeout", "1s"]).await;

        assert_eq!(output.status.code(), Some(5), "{output:?}");
        // what it would look for without --timeout
        assert!(begun.elapsed() < PaymentOrder::SEARCH_DEFAULT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_uri_is_named_before_anybody_is_asked() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;

    let output = run(&till.socket, &["pay", "blepay:AEBAG", "--yes"]).await;

    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("scan or type it again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_wait_shows_the_code_that_takes_the_place_of_a_flooded_one() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "till", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let mut waiting = command(
        &till.socket,
        &["request", "12.50", "--wait", "--timeout", "60s"],
    )
    .spawn()
    .expect("started");
    let mut lines = BufReader::new(waiting.stderr.take().expect("piped")).lines();
    let first = till_line(&mut lines, "Request ").await;
    let id = first
        .trim_start_matches("Request ")
        .split(':')
        .next()
        .and_then(|id| id.parse().ok())
        .expect("a number");

    let replaced = till
        .device
        .wallet
        .replace_request(ops_proto::RequestId(id))
        .await;
    assert!(replaced.expect("replaced").is_some());
    till_line(&mut lines, "Strangers keep this request busy").await;
    let uri = till_line(&mut lines, "blepay:").await;
    let paid = pay(&ada, Target::Uri(Box::new(uri.parse().expect("a URI")))).await;

    assert!(matches!(paid, PaymentEvent::Paid { .. }), "{paid:?}");
    let output = waiting.wait_with_output().await.expect("ended");
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("Received 12.50 EUR from Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_any_more_is_cancelled_unless_it_is_to_be_kept() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "till", Kind::WithTa).await;
    let shown = || {
        let requests = till.device.wallet.requests(usize::MAX).into_iter();
        requests.map(|request| request.shown).collect::<Vec<_>>()
    };

    let waits = ["request", "12.50", "--wait"];
    let waiting = command(&till.socket, &waits).spawn().expect("started");
    eventually("it is open", || async { shown() == [RequestShown::Open] }).await;
    interrupt(&waiting);
    let ended = waiting.wait_with_output().await.expect("ended");

    assert_eq!(ended.status.code(), Some(6), "{ended:?}");
    assert!(text(&ended.stderr).contains("is cancelled"), "{ended:?}");
    assert_eq!(shown(), [RequestShown::Cancelled]);

    let times_out = ["request", "1.00", "--wait", "--timeout", "1s"];
    let ended = run(&till.socket, &times_out).await;
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
    let ended = run(&till.socket, &[&times_out[..], &["--keep"]].concat()).await;
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
    let open = shown()
        .iter()
        .filter(|it| **it == RequestShown::Open)
        .count();
    assert_eq!(open, 1);

    for unclear in [&["--cancel"][..], &["--cancel", "17", "--all"]] {
        let ended = run(&till.socket, &[&["request"], unclear].concat()).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
    assert!(shown().contains(&RequestShown::Open));
    let ended = run(&till.socket, &["request", "--cancel", "--all"]).await;
    assert!(ended.status.success(), "{ended:?}");
    assert!(!shown().contains(&RequestShown::Open));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cancelled_while_a_payer_is_at_it_has_an_unknown_outcome() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "till", Kind::WithTa).await;
    let ada = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let waiting = command(&till.socket, &["request", "12.50", "--wait"])
        .spawn()
        .expect("started");
    let wallet = &till.device.wallet;
    eventually("it is open", || async {
        wallet.requests(usize::MAX).len() == 1
    })
    .await;
    let order = PaymentOrder {
        target: Target::Tag(wallet.requests(usize::MAX)[0].tag),
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = ada.wallet.start_payment(order).await.expect("begun");
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            break;
        }
    }
    eventually("the till shows the code", || async {
        wallet.requests(usize::MAX)[0].code.is_some()
    })
    .await;

    interrupt(&waiting);
    let ended = waiting.wait_with_output().await.expect("ended");

    assert_eq!(ended.status.code(), Some(4), "{ended:?}");
    let said = text(&ended.stderr);
    assert!(said.contains("while a payer was at it"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_writes_one_document_and_its_exit_code_tells_a_daemon_that_is_away() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "till", Kind::WithTa).await;
    let nowhere = world.path().join("nowhere");

    // its server is nowhere
    let bad = run(&till.socket, &["doctor", "--json"]).await;
    let nobody = run(&nowhere, &["doctor", "--json"]).await;

    for (output, code, named) in [
        (
            bad,
            1,
            &["disk", "clock", "certificates", "standing", "unconfirmed"][..],
        ),
        (nobody, 3, &["daemon"]),
    ] {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let doctor: Doctor = serde_json::from_slice(&output.stdout).expect("one document");
        for name in named {
            let is_there = doctor.checks.iter().any(|check| check.name == *name);
            assert!(is_there, "{name}: {doctor:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_in_the_words_of_who_made_them() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;

    for (arguments, code, says) in [
        (
            &["show", "zz"][..],
            1,
            "there is no payment or request with the id zz",
        ),
        (
            &["deposit", "0"],
            2,
            "write an amount from 0.01 to 10000000000000.00 EUR",
        ),
        (&["refund", "zz"], 1, "there is no payment zz"),
        (&["pin", "change"], 1, "there is no PIN yet"),
        (&["pin", "set"], 1, "give --pin-file"),
    ] {
        let output = run(&till.socket, arguments).await;
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let said = text(&output.stderr);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_sets_the_pin_from_stdin_pays_with_it_from_a_file_and_it_is_shown_nowhere() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let mut setting = command(&till.socket, &["pin", "set", "--pin-file", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = setting.stdin.take().expect("piped");
    stdin.write_all(b"493170\n").await.expect("written");
    drop(stdin);
    let set = setting.wait_with_output().await.expect("ended");
    assert!(set.status.success(), "{set:?}");
    let status = run(&till.socket, &["status"]).await;
    assert!(text(&status.stdout).contains("set, asked for every payment"));

    let asked = ferry.request(1250, Mode::Uri).await;
    let uri = asked.uri.expect("a URI");
    let without = run(&till.socket, &["pay", &uri, "--yes"]).await;
    let file = world.path().join("pin");
    std::fs::write(&file, "493170\n").expect("written");
    let path = file.to_str().expect("plain");
    let with = run(&till.socket, &["pay", &uri, "--yes", "--pin-file", path]).await;

    assert_eq!(without.status.code(), Some(1), "{without:?}");
    assert!(text(&without.stderr).contains("--pin-file"));
    assert!(with.status.success(), "{with:?}");
    for output in [set, status, without, with] {
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!said.contains("493170"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_code_is_paid_with_yes_for_the_sum_that_was_said_or_the_one_that_policy_shows() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let asked = ferry.request(6000, Mode::Uri).await;
    let uri = asked.uri.expect("a URI");

    let policy = run(&till.socket, &["policy"]).await;
    let bare = run(&till.socket, &["pay", &uri, "--yes"]).await;
    let other = ["pay", &uri, "--yes", "--amount", "59.00"];
    let other = run(&till.socket, &other).await;
    let mut saying = command(&till.socket, &["pay", "-", "--yes", "--amount", "60.00"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = saying.stdin.take().expect("piped");
    stdin.write_all(uri.as_bytes()).await.expect("written");
    drop(stdin);
    let said = saying.wait_with_output().await.expect("ended");
    let after = run(&till.socket, &["policy"]).await;

    for (shown, which) in [(policy, "before"), (after, "after")] {
        let shown = text(&shown.stdout);
        assert!(
            shown.contains("up to 50.00 EUR a day, 0.00 EUR today"),
            "{which}: {shown}"
        );
    }
    assert_eq!(bare.status.code(), Some(1), "{bare:?}");
    let why = text(&bare.stderr);
    assert!(
        why.contains("60.00 EUR is asked: say the sum too, --amount 60.00"),
        "{why}"
    );
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    let why = text(&other.stderr);
    assert!(
        why.contains("the payee asks 60.00 EUR and not 59.00 EUR"),
        "{why}"
    );
    assert!(said.status.success(), "{said:?}");
    assert_eq!(till.device.balance().await, 4_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_outcome_cannot_be_written_is_not_told_as_a_refusal() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    for (form, left) in [(None, 9_900), (Some("--json"), 9_800)] {
        let asked = ferry.request(100, Mode::Uri).await;
        let uri = asked.uri.expect("a URI");
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a device that is always full");
        let mut arguments = vec!["pay", &uri, "--yes", "--amount", "1.00"];
        arguments.extend(form);

        let mut paying = command(&till.socket, &arguments);
        let paying = paying.stdout(full).stderr(Stdio::piped()).spawn();
        let ended = paying.expect("started").wait_with_output();
        let ended = ended.await.expect("it runs");

        assert_eq!(ended.status.code(), Some(4), "{ended:?}");
        let said = text(&ended.stderr);
        assert!(said.contains("the order was given, and then"), "{said}");
        assert!(said.contains("blepay history"), "{said}");
        assert_eq!(till.device.balance().await, left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_radio_names_its_own_at_once_and_nobody_elses_absence() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let elsewhere = TempDir::new().expect("a directory");
    // where the simulated air would be
    std::fs::write(world.path().join("air"), "").expect("written");
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let ferry = Device::new(&bank, elsewhere.path(), "Ferry", Kind::WithTa).await;
    let asked = ferry.request(100, Mode::Uri).await;
    let uri = asked.uri.expect("a URI");
    let commands: [&[&str]; 4] = [
        &["nearby"],
        &["pay", "Ferry", "--yes"],
        &["pay", &uri, "--yes", "--amount", "1.00"],
        &["request", "1.00"],
    ];

    for arguments in commands {
        let begun = Instant::now();
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = run(&till.socket, &arguments).await;

        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let said = text(&output.stdout);
        assert!(said.contains("\"radio-absent\""), "{arguments:?}: {said}");
        assert!(said.contains("this device has no radio"), "{said}");
        assert!(begun.elapsed() < PaymentOrder::SEARCH_DEFAULT);
    }
    let requests = run(&till.socket, &["request", "--list"]).await;
    assert_eq!(text(&requests.stdout), "No requests.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_tells_a_refusal_of_the_provider_from_its_silence() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::unregistered(world.path(), "ada", Kind::WithoutTa).await;
    let provider = bank.enrolled().provider;
    let certificate = provider.to_wire();
    let taken = br#"{"code":"name-taken","message":"another client has this name","hint":"choose another"}"#;
    let answer = told(move |path, _| match path {
        "/healthz" => (200, Vec::new()),
        "/v1/provider" => (200, certificate.clone()),
        "/v1/challenge" => (200, vec![7; 32]),
        "/v1/clients" => (409, taken.to_vec()),
        _ => (503, Vec::new()),
    });
    let server = Server::start(&Tls::new(), 0, answer).await;
    let file = world.path().join("bank.enrol");
    let init = async |url: String| {
        let anchor = server.anchor.clone();
        let enrolment = Enrolment::new(url, anchor, &bank.root(), &provider);
        let written = serde_json::to_string(&enrolment).expect("JSON");
        std::fs::write(&file, written).expect("written");
        let path = file.to_str().expect("plain");
        let arguments = ["init", path, "--name", "Ada", "--payee-without-ta"];

        run(&till.socket, &arguments).await
    };

    let silent = init("https://127.0.0.1:1".to_owned()).await;
    let refused = init(format!("https://{}", server.address)).await;

    assert!(silent.status.success(), "{silent:?}");
    let said = text(&silent.stdout);
    assert!(
        said.contains("Not registered yet: the server cannot be reached"),
        "{said}"
    );
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = text(&refused.stderr);
    assert!(
        said.contains("not registered: another client has this name")
            && said.contains("run blepay init again"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_asked_for_paid_and_shown_from_the_command_line() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Till::open(&bank, world.path(), "ada", Kind::WithTa).await;
    let ferry = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let asked = ferry.request(1250, Mode::Uri).await;
    let uri = asked.uri.expect("a URI");
    let paid = run(&till.socket, &["pay", &uri, "--yes"]).await;
    assert!(paid.status.success(), "{paid:?}");
    let history = run(&till.socket, &["history"]).await;
    let id = text(&history.stdout)
        .split_whitespace()
        .next()
        .expect("a payment")
        .to_owned();

    let asked = run(&till.socket, &["refund", &id, "5.00", "--uri"]).await;
    let uri = text(&asked.stdout)
        .lines()
        .find(|line| line.starts_with("blepay:"))
        .expect("a URI")
        .to_owned();
    let refunded = pay(&ferry, Target::Uri(Box::new(uri.parse().expect("a URI")))).await;

    assert!(
        matches!(refunded, PaymentEvent::Paid { .. }),
        "{refunded:?}"
    );
    let shown = run(&till.socket, &["show", &id]).await;
    let shown = text(&shown.stdout);
    assert!(
        shown.contains("Refunded") && shown.contains("5.00 EUR"),
        "{shown}"
    );
}

/// Presses Ctrl-C.
fn interrupt(program: &tokio::process::Child) {
    let pid = program.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw);

    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::INT)
        .expect("interrupted");
}

async fn run(socket: &Path, arguments: &[&str]) -> Output {
    let running = command(socket, arguments).output();

    tokio::time::timeout(Duration::from_secs(60), running)
        .await
        .expect("it ends")
        .expect("it runs")
}

fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blepay"));
    command
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);

    command
}

/// Reads on until a line begins so.
async fn till_line(
    lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
    beginning: &str,
) -> String {
    let reading = async {
        loop {
            let line = lines.next_line().await.expect("readable").expect("a line");
            if line.starts_with(beginning) {
                return line;
            }
        }
    };

    tokio::time::timeout(Duration::from_secs(30), reading)
        .await
        .expect("it is said")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
