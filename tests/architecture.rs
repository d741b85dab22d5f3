//! Who may know whom: what cargo resolves and what the sources name, against CONTRIBUTING.md.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests panic when the world is not as they expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sources::{below, workspace};

/// Packages that protocol code never links, not even through others: runtimes, radios, randomness.
const WORLD: [&str; 7] = [
    "tokio",
    "bluer",
    "btleplug",
    "getrandom",
    "rand",
    "rand_core",
    "async-std",
];

/// Packages that only some folders may name: package, folders, and the reason.
const HOMES: [(&str, &[&str], &str); 7] = [
    (
        "bluer",
        &["daemon/radio/src/", "tests/boards/echo/"],
        "the radio is a trait, so that payments run on any",
    ),
    (
        "btleplug",
        &["daemon/radio/src/", "tests/boards/echo/"],
        "the radio is a trait, so that payments run on any",
    ),
    (
        "rusqlite",
        &["daemon/journal/src/", "server/src/store/"],
        "what is durable is decided in one place of each",
    ),
    (
        "reqwest",
        &["daemon/sync/src/", "server/src/forward/", "server/tests/"],
        "a device reaches its server, and a server its peers, in one place each",
    ),
    (
        "hyper::client",
        &[
            "daemon/sync/src/",
            "daemon/api-types/",
            "server/src/bench/",
            "tests/kit/src/line.rs",
        ],
        "the local API has one client",
    ),
    (
        "hyper_util::client",
        &["daemon/sync/src/", "daemon/api-types/"],
        "the local API has one client",
    ),
    ("sqlx", &["server/"], "the server's store is the server's"),
];

/// What only `host` may take from the system, the folders exempt from that, and what to use instead.
const HOSTED: [(&str, &[&str], &str); 8] = [
    (
        "SystemTime",
        &["host/", "daemon/radio/src/sockets/", "daemon/cli/src/"],
        "host::clock::wall",
    ),
    (
        "std::time::Instant",
        &[
            "host/",
            "daemon/radio/src/",
            "daemon/cli/src/",
            "daemon/blepayd/src/run.rs",
            "server/src/bench/",
            "server/src/cli/",
            "ta-sim/",
        ],
        "tokio's, which the world can hold still",
    ),
    (
        "getrandom::",
        &["host/", "ta-sim/src/entropy.rs"],
        "host::entropy::fill",
    ),
    (
        "thread::Builder",
        &["host/", "ta-sim/"],
        "host::task::thread",
    ),
    ("thread::spawn", &["ta-sim/"], "host::task::thread"),
    (
        "spawn_blocking",
        &["host/", "daemon/radio/src/bluez/"],
        "host::task::blocking",
    ),
    ("tokio::spawn", &[], "the tracker of whoever owns the task"),
    (
        "tasks.spawn(",
        &[
            "daemon/radio/src/bluez/",
            "daemon/radio/src/sockets/",
            "server/src/bench/",
        ],
        "host::task::spawn",
    ),
];

/// What never runs in the world of tests: the system's radio, sockets and terminals.
const OUT_OF_THE_WORLD: [&str; 7] = [
    "daemon/radio/src/bluez/",
    "daemon/blepayd/src/main.rs",
    "daemon/blepayd/src/run.rs",
    "daemon/cli/src/",
    "daemon/demo/",
    "server/src/accept.rs",
    "server/src/cli/",
];

#[test]
fn crates_know_only_whom_the_table_allows() {
    let allowed = table();
    let known = dependencies();

    assert_eq!(
        allowed.keys().collect::<Vec<_>>(),
        known.keys().collect::<Vec<_>>(),
        "the table in CONTRIBUTING.md lists every crate"
    );
    for (folder, names) in &known {
        let too_many: Vec<_> = names.difference(&allowed[folder]).collect();
        assert!(too_many.is_empty(), "{folder} must not know {too_many:?}");
    }
}

#[test]
fn packages_hold_no_code_that_a_test_switches_on() {
    for package in packages() {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let is_ours = dependency["path"].is_string();
            let features = dependency["features"].as_array().expect("a list");
            assert!(
                !is_ours || features.is_empty(),
                "{} asks {} for {features:?}; packages and bench are built together",
                package["name"],
                dependency["name"]
            );
        }
    }
}

#[test]
fn signed_and_spoken_bytes_never_link_the_world() {
    for package in ["ops-proto", "ble-proto"] {
        let linked = linked(package);

        assert!(linked.contains(package), "cargo tree lists {package}");
        for name in WORLD {
            assert!(!linked.contains(name), "{package} links {name}");
        }
    }
}

#[test]
fn the_command_line_links_neither_store_nor_radio_nor_cryptography_of_links() {
    let linked = linked("blepay");

    assert!(linked.contains("clap"), "cargo tree lists blepay");
    for name in [
        "rusqlite", "sqlx", "bluer", "btleplug", "dbus", "zbus", "snow", "reqwest", "rustls",
    ] {
        assert!(!linked.contains(name), "blepay links {name}");
    }
}

#[test]
fn radio_store_and_network_each_have_one_home() {
    let mut strays = Vec::new();
    for (path, text) in sources() {
        for (package, homes, reason) in HOMES {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            if !at_home && names(&text, package) {
                strays.push(format!("{path} names {package}: {reason}"));
            }
        }
    }

    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn clocks_randomness_tasks_and_threads_come_from_the_host() {
    let mut strays = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| is_product(path)) {
        for (fragment, homes, instead) in HOSTED {
            let at_home = homes.iter().any(|home| path.starts_with(home));
            if !at_home && uses(&text, fragment) {
                strays.push(format!("{path} uses {fragment}: use {instead}"));
            }
        }
    }

    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn who_waits_for_several_things_says_which_is_looked_at_first() {
    let mut strays = Vec::new();
    let lives_in_the_world = |path: &String| {
        is_product(path) && !OUT_OF_THE_WORLD.iter().any(|home| path.starts_with(home))
    };
    for (path, text) in sources()
        .into_iter()
        .filter(|(path, _)| lives_in_the_world(path))
    {
        let lines: Vec<_> = text.lines().collect();
        for (number, pair) in lines.windows(2).enumerate() {
            if pair[0].contains("select! {") && !pair[1].trim().starts_with("biased;") {
                strays.push(format!("{path}:{}", number + 1));
            }
        }
    }

    assert!(
        strays.is_empty(),
        "a `select!` without `biased` draws from dice of its own:\n{}",
        strays.join("\n")
    );
}

#[test]
fn a_part_of_code_is_found_outside_comments_and_tests() {
    assert!(uses("    let now = SystemTime::now();", "SystemTime"));
    assert!(uses(
        "use std::time::{Duration, Instant};",
        "std::time::Instant"
    ));
    assert!(uses(
        "let a = std::time::Instant::now();",
        "std::time::Instant"
    ));
    assert!(!uses("use std::time::Duration;", "std::time::Instant"));
    assert!(!uses("use tokio::time::Instant;", "std::time::Instant"));
    assert!(!uses("// SystemTime is not asked", "SystemTime"));
    assert!(!uses(
        "fn a() {}\n#[cfg(test)]\nmod tests {\n SystemTime::now()",
        "SystemTime"
    ));
    assert!(is_product("daemon/sync/src/lib.rs"));
    assert!(!is_product("daemon/journal/src/tests.rs"));
    assert!(!is_product("tests/world/src/net.rs"));
}

#[test]
fn a_name_in_a_comment_or_in_a_longer_word_is_no_use_of_it() {
    assert!(names("use store::Session;", "store"));
    assert!(names("use store;", "store"));
    assert!(names("    let session = store::Session::new();", "store"));
    assert!(!names("// store::Session is slow", "store"));
    assert!(!names("/// See [`store::Session`].", "store"));
    assert!(!names("use crate::fake_store::Session;", "store"));
    assert!(!names("use crate::store::Session;", "store"));
    assert!(!names("let text = \"the store is not there\";", "store"));
}

/// Reads which crate may use which of ours, by folder, from the table in CONTRIBUTING.md.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(workspace().join("CONTRIBUTING.md")).expect("it is there");
    let folders: BTreeSet<String> = dependencies().into_keys().collect();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let folder = cells
            .next()?
            .trim_matches('`')
            .strip_suffix('/')?
            .to_owned();
        let knows = cells.nth(1)?;
        let names = match knows {
            "all" => folders.clone(),
            list => list
                .split('`')
                .filter(|name| folders.contains(*name))
                .map(str::to_owned)
                .collect(),
        };
        folders.contains(&folder).then_some((folder, names))
    });

    rows.collect()
}

/// Returns the folders of ours that each folder's crate depends on, for tests too.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    packages()
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
            let ours = package["dependencies"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|dependency| dependency["path"].as_str())
                .map(|path| folder(Path::new(path)));
            let here = manifest.parent().expect("a manifest lies in a folder");
            (folder(here), ours.collect())
        })
        .collect()
}

/// Returns what cargo knows of each of our packages.
fn packages() -> Vec<Value> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&output).expect("cargo writes JSON");

    metadata["packages"]
        .as_array()
        .expect("there are packages")
        .clone()
}

/// Returns the packages that `package` links when it is built alone.
fn linked(package: &str) -> BTreeSet<String> {
    let edges = ["--edges", "normal", "--prefix", "none"];
    let mut arguments = vec!["tree", "--package", package];
    arguments.extend(edges);

    cargo(&arguments)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// Whether `text` uses `package` outside comments.
fn names(text: &str, package: &str) -> bool {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .any(|code| {
            code.match_indices(package).any(|(start, _)| {
                let before = code.get(..start).unwrap_or_default();
                let after = code.get(start + package.len()..).unwrap_or_default();
                let begins = !before.ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
                let imported = before.trim_end().ends_with("use") && after.starts_with(';');
                begins && (after.starts_with("::") || imported)
            })
        })
}

/// Whether a source is part of what is installed.
fn is_product(path: &str) -> bool {
    let folders = ["host/src/", "server/src/", "ta-sim/src/"];
    let of_daemon = path.strip_prefix("daemon/");
    let is_room = of_daemon.is_some_and(|path| path.contains("/src/"));

    (is_room || folders.iter().any(|folder| path.starts_with(folder)))
        && !path.ends_with("/tests.rs")
        && !path.contains("/tests/")
        && !path.ends_with("/full_disk.rs")
}

/// Whether `text` has `fragment` outside comments and unit tests. A path is found in an import of several
/// things too.
fn uses(text: &str, fragment: &str) -> bool {
    let text = text.split("#[cfg(test)]\nmod tests {").next();
    let mut lines = text.unwrap_or_default().lines();
    let path = fragment.rsplit_once("::");
    lines.any(|line| {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        let imported = path.is_some_and(|(module, name)| {
            let several = format!("{module}::{{");
            code.split_once(&several)
                .is_some_and(|(_, names)| names.split([',', '}', ' ']).any(|found| found == name))
        });

        code.contains(fragment) || imported
    })
}

/// Returns every source of the workspace: where it lies, and its text.
fn sources() -> BTreeMap<String, String> {
    let folders = dependencies().into_keys();
    let sources: BTreeMap<_, _> = folders.flat_map(|folder| below(&folder)).collect();
    assert!(!sources.is_empty(), "there are sources");

    sources
}

fn folder(path: &Path) -> String {
    let inside = path.strip_prefix(workspace());
    let inside = inside.expect("a crate lies in the workspace");

    inside.to_string_lossy().into_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );

    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
