//! The program itself: what it prints, its exit codes, and a stop by signal.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use ops_proto::enrolment::Enrolment;
use serde_json::Value;

use super::world::{client, store_url};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blepay-server");

fn run(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).arg("--data").arg(data);

    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");

    serde_json::from_slice(&output.stdout).unwrap()
}

fn serve(data: &Path) -> (Child, String) {
    let mut server = Command::new(PROGRAM)
        .args(["run", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();

    (server, line.trim().to_owned())
}

#[tokio::test]
async fn the_way_of_a_provider_from_init_to_audit() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("provider");
    let store = store_url().await;
    let mut args = vec!["init", "--provider-name", "Ferry", "--json"];
    args.extend(store.iter().flat_map(|url| ["--store", url]));
    let made = json(&run(&data, &args));
    assert_eq!(made["trusts_test_oem"], Value::Bool(true));
    let again = run(&data, &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing was changed"));

    let (mut server, line) = serve(&data);
    assert!(line.starts_with("listening 127.0.0.1:"), "{line}");
    let enrolment = run(&data, &["enrol", "--url", "https://localhost:1"]);
    let enrolment: Enrolment = serde_json::from_slice(&enrolment.stdout).unwrap();
    let provider = enrolment.provider_certificate().unwrap();
    provider.verify(&enrolment.root_key().unwrap()).unwrap();
    assert_eq!(enrolment.url, "https://localhost:1");
    let ledger = json(&run(&data, &["ledger", "--json"]));
    assert_eq!(ledger["balanced"], Value::Bool(true));
    let accounts = json(&run(&data, &["account", "list", "--json"]));
    assert_eq!(accounts, Value::Array(Vec::new()));

    let id = i32::try_from(server.id()).unwrap();
    Command::new("kill").arg(id.to_string()).status().unwrap();
    assert!(server.wait().unwrap().success());
    let audit = json(&run(&data, &["audit", "--json"]));
    assert_eq!(audit["balanced"], Value::Bool(true));
}

#[test]
fn wrong_arguments_are_refused_with_what_to_do_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    assert!(run(data, &["init"]).status.success());
    for amount in [
        "-1",
        "0",
        "1.005",
        "1e3",
        "1,50",
        "99999999999999999999",
        "",
        "NaN",
    ] {
        let args = ["credit", "--client", "Alice", "--amount", amount];
        let refused = run(data, &args);
        assert_eq!(refused.status.code(), Some(1), "{amount:?}");
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(message.contains("amount"), "{message}");
    }
    for currency in ["eur", "EURO", "ZZZ", ""] {
        let other = data.join(format!("other-{currency}"));
        let refused = run(&other, &["init", "--currency", currency]);
        assert!(!refused.status.success(), "{currency:?}");
        assert!(!other.exists());
    }
    for url in ["http://pay.example", "pay.example", "https://"] {
        let other = data.join("other");
        let refused = run(&other, &["init", "--url", url]);
        assert_eq!(refused.status.code(), Some(1), "{url:?}");
        assert!(!other.exists());
    }
    let nothing = run(&data.join("nothing"), &["run"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("blepay-server init"));
    assert!(!data.join("nothing").exists());

    let ledger = json(&run(data, &["ledger", "--json"]));
    assert_eq!(ledger["issued"], Value::from(0));
}

/// What a log line of a request may never hold.
fn secrets(data: &Path) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let keys = read("provider.keys") + &read("root.key") + &read("admin-token");
    let of_keys = keys
        .lines()
        .map(|line| line.rsplit('=').next().unwrap_or(line).to_owned());
    let tls = read("tls.key") + &read("tls-anchor.key");
    let of_tls = tls
        .lines()
        .filter(|line| !line.starts_with("--"))
        .map(str::to_owned);

    of_keys
        .chain(of_tls)
        .filter(|text| text.len() > 15)
        .collect()
}

#[tokio::test]
async fn no_log_line_holds_a_key_a_token_or_a_body_and_each_is_one_json_object() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("provider");
    let store = store_url().await;
    let mut args = vec!["init"];
    args.extend(store.iter().flat_map(|url| ["--store", url]));
    assert!(run(&data, &args).status.success());
    let log = directory.path().join("log");
    let mut server = Command::new(PROGRAM)
        .args(["run", "--log-format", "json", "--listen", "127.0.0.1:0"])
        .args(["--allow-loss-of-answers", "--data"])
        .arg(&data)
        .env("BLEPAY_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let mut lines = [String::new(), String::new()];
    for line in &mut lines {
        out.read_line(line).unwrap();
    }
    let [public, admin] = lines.map(|line| line.split_once(' ').unwrap().1.trim().to_owned());
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap();
    let http = client(&std::fs::read_to_string(data.join("tls-anchor.pem")).unwrap());
    let secret_body = b"a body that only its receiver reads";
    for path in ["/v1/claims", "/v1/clients", "/v1/deposits", "/v1/statuses"] {
        let url = format!("https://{public}{path}");
        http.post(url)
            .body(secret_body.to_vec())
            .send()
            .await
            .unwrap();
    }
    let url = format!("https://{admin}/v1/admin/ledger");
    let answer = http
        .get(&url)
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    http.get(&url)
        .bearer_auth("a guess at the token")
        .send()
        .await
        .unwrap();
    let id = i32::try_from(server.id()).unwrap();
    Command::new("kill").arg(id.to_string()).status().unwrap();
    assert!(server.wait().unwrap().success());

    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.lines().count() > 5, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string(), "{line}");
    }
    for secret in secrets(&data) {
        assert!(!log.contains(&secret), "the log holds {secret}");
    }
    assert!(!log.contains("a body that only"), "the log holds a body");
    assert!(!log.contains(&hex::encode(secret_body)));
    assert!(!log.contains("a guess at"), "the log holds a token");
}
