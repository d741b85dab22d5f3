//! The root and the providers under it: who is certified, for what, and until when.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use blepay_server::provider::ca::{CertificateFile, Holder, RequestFile, Root, Terms, Wanted};
use blepay_server::provider::{CaError, limits_max_default};
use blepay_server::{InitOptions, RunOptions, Server, init};
use ops_proto::certificate::{Certificate, verify_provider};
use ops_proto::message::{ProviderRequest, ProviderStanding};
use ops_proto::{ProviderId, PublicKey, SecretKey, Signed};
use serde_json::Value;
use tempfile::TempDir;

use super::world::device::{measurement, oem_root};
use super::world::{amount, now};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn terms() -> Terms {
    Terms {
        limits: limits_max_default(),
        days: 100,
    }
}

pub(crate) fn options(name: &str, root: Option<PublicKey>) -> InitOptions {
    InitOptions {
        name: name.parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        url: "https://127.0.0.1:8443".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        oem_root: Some(oem_root().public_key()),
        measurements: vec![measurement()],
        store: None,
        root,
        now: now(),
    }
}

/// A provider's data directory that waits for its certificate.
async fn provider(name: &str, root: &Root) -> (TempDir, Signed<ProviderRequest>) {
    let data = tempfile::tempdir().unwrap();
    let made = init(data.path(), &options(name, Some(root.public_key())))
        .await
        .unwrap();
    let request = RequestFile::read(&made.request).unwrap();

    (data, request)
}

fn certify(root: &mut Root, request: &Signed<ProviderRequest>) -> Signed<Certificate> {
    let proposal = root.propose(request, &terms(), now()).unwrap();

    root.sign(proposal, now()).unwrap()
}

fn make_root() -> (TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::create(directory.path()).unwrap();

    (directory, root)
}

/// A request of a provider that has these keys.
fn request(id: u8, name: &str, keys: [u8; 3]) -> (SecretKey, ProviderRequest) {
    let key = |seed| SecretKey::from_seed(&[seed; 32]);
    let [certify, answer, list] = keys;
    let body = ProviderRequest {
        provider: ProviderId([id; 16]),
        name: name.parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        subject: key(certify).public_key(),
        answer_key: key(answer).public_key(),
        list_key: key(list).public_key(),
        limits_max: limits_max_default(),
        made: now(),
    };

    (key(certify), body)
}

fn refused(root: &Root, key: &SecretKey, body: ProviderRequest) -> CaError {
    let request = Signed::sign(body, key);

    root.propose(&request, &terms(), now()).unwrap_err()
}

#[test]
fn a_root_is_never_overwritten_and_only_its_owner_reads_its_key() {
    let (directory, root) = make_root();
    let path = directory.path().join("root.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    assert!(matches!(
        Root::create(directory.path()),
        Err(CaError::File(_))
    ));
    let again = Root::open(directory.path()).unwrap();
    assert_eq!(again.public_key(), root.public_key());

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = Root::open(directory.path()).unwrap_err();
    assert!(open.to_string().contains("chmod 600"), "{open}");
}

#[tokio::test]
async fn a_provider_waits_for_its_certificate_and_serves_with_it() {
    let (_directory, mut root) = make_root();
    let (data, request) = provider("Campus", &root).await;
    assert!(!data.path().join("root.key").exists());
    let early = Server::start(&RunOptions::local(data.path())).await;
    let early = early.unwrap_err().to_string();
    assert!(early.contains("ca install"), "{early}");

    let certificate = certify(&mut root, &request);
    let holder = Holder::open(data.path()).unwrap();
    let installed = holder.install(&certificate, now()).await.unwrap();

    assert!(!installed.repeated && installed.others.is_empty());
    assert!(verify_provider(&root.public_key(), &certificate, now()).is_ok());
    let server = Server::start(&RunOptions::local(data.path()))
        .await
        .unwrap();
    server.shutdown().await;
    assert!(holder.install(&certificate, now()).await.unwrap().repeated);
}

#[tokio::test]
async fn a_renewal_has_the_same_keys_a_later_end_and_the_next_number() {
    let (_directory, mut root) = make_root();
    let (data, first) = provider("Campus", &root).await;
    let holder = Holder::open(data.path()).unwrap();
    let one = certify(&mut root, &first);
    holder.install(&one, now()).await.unwrap();
    let again = holder.request(&Wanted::default(), now()).unwrap();
    let proposal = root
        .propose(
            &again,
            &Terms {
                days: 200,
                ..terms()
            },
            now(),
        )
        .unwrap();
    let two = root.sign(proposal, now()).unwrap();
    let installed = holder.install(&two, now()).await.unwrap();

    assert_eq!((one.body().number, two.body().number), (1, 2));
    assert_eq!(one.body().subject, two.body().subject);
    assert!(two.body().not_after > one.body().not_after);
    assert_eq!(installed.others, std::slice::from_ref(&one));
    let old = holder.install(&one, now()).await.unwrap_err();
    assert!(matches!(
        old,
        CaError::OldCertificate {
            installed: 2,
            found: 1
        }
    ));
    let stale = root.propose(&first, &terms(), now());
    assert!(matches!(stale.unwrap_err(), CaError::OldRequest));
}

#[tokio::test]
async fn the_register_survives_and_numbers_rise_across_openings() {
    let (directory, mut root) = make_root();
    let (_data, request) = provider("Campus", &root).await;
    certify(&mut root, &request);
    let mut root = Root::open(directory.path()).unwrap();

    assert_eq!(certify(&mut root, &request).body().number, 2);
    let path = directory.path().join("root.register");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replacen("certificate\": \"0", "certificate\": \"1", 1),
    )
    .unwrap();
    assert!(matches!(
        Root::open(directory.path()),
        Err(CaError::Damaged(_))
    ));
}

#[test]
fn weak_keys_torsion_keys_and_keys_for_two_uses_are_not_certified() {
    let (_directory, root) = make_root();
    let mut identity = [0; 32];
    identity[0] = 1;
    let (key, good) = request(1, "Campus", [1, 2, 3]);
    let with_answer = |answer_key| ProviderRequest {
        answer_key,
        ..good.clone()
    };

    assert!(
        root.propose(&Signed::sign(good.clone(), &key), &terms(), now())
            .is_ok()
    );
    let weak = refused(&root, &key, with_answer(PublicKey(identity)));
    assert!(matches!(weak, CaError::Key { .. }));
    let no_point = refused(&root, &key, with_answer(PublicKey([0xff; 32])));
    assert!(matches!(no_point, CaError::Key { .. }));
    for twice in [good.subject, good.list_key, root.public_key()] {
        let error = refused(&root, &key, with_answer(twice));
        assert!(matches!(error, CaError::KeyTwice(key) if key == twice));
    }
    let unsigned = refused(&root, &SecretKey::from_seed(&[9; 32]), good);
    assert!(matches!(unsigned, CaError::RequestSignature));
}

#[test]
fn what_is_one_providers_is_never_anothers() {
    let (_directory, mut root) = make_root();
    let (key, body) = request(1, "Campus", [1, 2, 3]);
    certify(&mut root, &Signed::sign(body, &key));

    let (key, other) = request(2, "Ferry", [4, 2, 6]);
    assert!(matches!(
        refused(&root, &key, other),
        CaError::KeyTaken { .. }
    ));
    let (key, swapped) = request(1, "Campus", [2, 1, 3]);
    assert!(matches!(
        refused(&root, &key, swapped),
        CaError::KeyTaken { .. }
    ));
    let (key, named) = request(2, "CAMPUS", [4, 5, 6]);
    assert!(matches!(refused(&root, &key, named), CaError::NameTaken(_)));
    let (key, mut currency) = request(1, "Campus", [4, 5, 6]);
    currency.currency = "CHF".parse().unwrap();
    assert!(matches!(
        refused(&root, &key, currency),
        CaError::Currency { .. }
    ));
    let (key, fine) = request(2, "Ferry", [4, 5, 6]);
    certify(&mut root, &Signed::sign(fine, &key));
    assert_eq!(root.register().providers().len(), 2);
}

#[test]
fn a_revoked_provider_is_listed_so_and_never_certified_again() {
    let (_directory, mut root) = make_root();
    let (key, body) = request(1, "Campus", [1, 2, 3]);
    certify(&mut root, &Signed::sign(body.clone(), &key));
    let first = root.sign_directory(now()).unwrap();

    root.revoke("Campus").unwrap();
    let second = root.sign_directory(now()).unwrap();

    assert_eq!(first.body().providers[0].standing, ProviderStanding::Live);
    assert_eq!(
        second.body().providers[0].standing,
        ProviderStanding::Revoked
    );
    assert!(second.body().version > first.body().version);
    assert!(second.verify(&root.public_key()).is_ok());
    assert!(matches!(refused(&root, &key, body), CaError::Revoked(_)));
    assert!(matches!(
        root.revoke("Nobody"),
        Err(CaError::ProviderUnknown(_))
    ));
}

#[test]
fn the_epoch_rises_with_the_list_key_alone() {
    let (_directory, mut root) = make_root();
    let (key, body) = request(1, "Campus", [1, 2, 3]);
    certify(&mut root, &Signed::sign(body.clone(), &key));
    certify(&mut root, &Signed::sign(body, &key));
    let epoch = |root: &mut Root| root.sign_directory(now()).unwrap().body().providers[0].epoch;
    assert_eq!(epoch(&mut root), 1);

    let (key, rolled) = request(1, "Campus", [4, 5, 6]);
    certify(&mut root, &Signed::sign(rolled, &key));

    assert_eq!(epoch(&mut root), 2);
}

#[tokio::test]
async fn a_file_whose_words_are_not_its_bytes_is_refused() {
    let (_directory, mut root) = make_root();
    let (data, request) = provider("Campus", &root).await;
    let certificate = certify(&mut root, &request);
    let path = data.path().join("shown.cert");
    let mut file = CertificateFile::new(&certificate);
    file.name = "Bank".to_owned();
    file.write(&path).unwrap();

    let refused = CertificateFile::read(&path).unwrap_err();
    assert!(matches!(refused, CaError::Disguised(_)));
    let overwritten = CertificateFile::new(&certificate).write(&path);
    assert!(matches!(overwritten, Err(CaError::File(_))));
}

#[tokio::test]
async fn a_certificate_of_another_root_for_other_keys_or_below_what_is_granted_is_not_installed() {
    let (_directory, mut root) = make_root();
    let (_other_directory, mut other_root) = make_root();
    let (data, request) = provider("Campus", &root).await;
    let (_elsewhere, other_request) = provider("Ferry", &root).await;
    let holder = Holder::open(data.path()).unwrap();

    let foreign = certify(&mut other_root, &request);
    let refused = holder.install(&foreign, now()).await.unwrap_err();
    assert!(matches!(refused, CaError::OtherRoot(_)));
    let ferrys = certify(&mut root, &other_request);
    let refused = holder.install(&ferrys, now()).await.unwrap_err();
    assert!(matches!(refused, CaError::OtherProvider { .. }));
    let ended = root.propose(&request, &terms(), now().saturating_sub_ms(300 * DAY_MS));
    let ended = root.sign(ended.unwrap(), now()).unwrap();
    let refused = holder.install(&ended, now()).await.unwrap_err();
    assert!(matches!(refused, CaError::OtherRoot(_)));
    let mut small = terms();
    small.limits.payment_max = amount(1);
    let small = root.propose(&request, &small, now()).unwrap();
    let small = root.sign(small, now()).unwrap();
    let refused = holder.install(&small, now()).await.unwrap_err();
    assert!(matches!(refused, CaError::LimitsAboveCertificate));
    assert!(!data.path().join("provider.cert").exists());
}

#[test]
fn limits_that_contradict_each_other_and_ends_beyond_reason_are_not_signed() {
    let (_directory, root) = make_root();
    let (key, body) = request(1, "Campus", [1, 2, 3]);
    let request = Signed::sign(body, &key);
    let mut payment = terms();
    payment.limits.balance_max = amount(1);
    let mut warn = terms();
    warn.limits.paid_count.refuse = 1;

    for wrong in [payment, warn] {
        let refused = root.propose(&request, &wrong, now()).unwrap_err();
        assert!(matches!(refused, CaError::Limits(_)));
    }
    for days in [0, 100_000, u64::MAX] {
        let refused = root.propose(&request, &Terms { days, ..terms() }, now());
        assert!(matches!(refused.unwrap_err(), CaError::Days));
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_blepay-server"))
        .args(args)
        .output()
        .unwrap()
}

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");

    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command line whose words have no spaces, and returns what it prints.
fn said(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();

    json(&words)
}

/// Runs one that is refused, and returns what it says.
fn told(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");

    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_ceremony_on_the_command_line_from_root_to_rollover() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let made = said(&format!("ca root --out {at}/root"));
    let public = format!("--root-public {at}/root/root.pub");
    said(&format!(
        "init --data {at}/data --provider-name Campus {public}"
    ));
    let certify = format!("ca certify --root {at}/root {at}/data/provider.request");

    told(&format!("{certify} --out {at}/c1"));
    assert!(!directory.path().join("c1").exists());
    let signed = said(&format!(
        "{certify} --payment-max 200.00 --out {at}/c1 --yes"
    ));
    assert_eq!(signed["number"], 1);
    assert_eq!(signed["limits"]["payment_max"], 20_000);
    let low = told(&format!("ca install --data {at}/data {at}/c1"));
    assert!(low.contains("server.toml"), "{low}");
    let signed = said(&format!("{certify} --out {at}/c2 --yes"));
    assert_eq!(signed["number"], 2);
    said(&format!("ca install --data {at}/data {at}/c2"));
    let rolled = said(&format!("ca rollover --data {at}/data --out {at}/r3"));
    assert_ne!(rolled["certify_key"], signed["certify_key"]);
    said(&format!(
        "ca certify --root {at}/root {at}/r3 --out {at}/c3 --yes"
    ));
    said(&format!("ca install --data {at}/data {at}/c3"));
    said(&format!("ca directory --root {at}/root --out {at}/d"));
    said(&format!("ca install --data {at}/data {at}/d"));

    let list = said(&format!("ca list --root {at}/root"));
    assert_eq!(list["root"], made["root"]);
    assert_eq!(list["certificates"].as_array().unwrap().len(), 3);
    let audit = said(&format!("audit --data {at}/data"));
    assert_eq!(audit["balanced"], Value::Bool(true));
}

#[test]
fn two_providers_agree_on_the_command_line_and_settle_only_what_is_owed() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    said(&format!("init --data {at}/bank --provider-name Bank"));
    let public = format!("--root-public {at}/bank/root.pub");
    said(&format!(
        "init --data {at}/shop --provider-name Shop {public}"
    ));
    let request = format!("{at}/shop/provider.request");
    said(&format!(
        "ca certify --root {at}/bank {request} --out {at}/cert --yes"
    ));
    said(&format!("ca install --data {at}/shop {at}/cert"));
    said(&format!("init --data {at}/stranger"));
    for name in ["bank", "shop", "stranger"] {
        let line =
            format!("enrol --data {at}/{name} --url https://127.0.0.1:1 --out {at}/{name}.enrol");
        let words: Vec<&str> = line.split(' ').collect();
        assert!(run(&words).status.success());
    }

    let add = format!("peers add --data {at}/shop --exposure 50.00 --from {at}");
    let added = said(&format!("{add}/bank.enrol"));
    assert_eq!(added["name"], "Bank");
    assert_eq!(added["exposure"], 5_000);
    let none = format!("peers add --data {at}/shop --exposure 0 --from {at}/bank.enrol");
    assert_eq!(said(&none)["exposure"], 0);
    assert!(told(&format!("{add}/shop.enrol")).contains("own"));
    assert!(told(&format!("{add}/stranger.enrol")).contains("root"));

    let positions = said(&format!("positions --data {at}/shop"));
    assert_eq!(positions[0]["position"], 0);
    let settle = format!("positions settle Bank --data {at}/shop --reference r --amount 0.01");
    assert!(told(&settle).contains("owed"));
    said(&format!("peers remove Bank --data {at}/shop"));
    let peers = said(&format!("peers list --data {at}/shop"));
    assert_eq!(peers, Value::Array(Vec::new()));
}
