//! Who may know whom: what cargo resolves and what the sources name, against CONTRIBUTING.md.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests panic when the world is not as they expect"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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
        &["daemon/src/radio/", "tests/boards/echo/"],
        "the radio is a trait, so that payments run on any",
    ),
    (
        "btleplug",
        &["daemon/src/radio/", "tests/boards/echo/"],
        "the radio is a trait, so that payments run on any",
    ),
    (
        "rusqlite",
        &["daemon/src/journal/", "server/src/store/"],
        "what is durable is decided in one place of each",
    ),
    (
        "reqwest",
        &["daemon/src/sync/", "server/src/forward/", "server/tests/"],
        "a device reaches its server, and a server its peers, in one place each",
    ),
    (
        "hyper::client",
        &[
            "daemon/src/sync/",
            "daemon/src/api/client.rs",
            "server/src/bench/",
        ],
        "the local API has one client",
    ),
    (
        "hyper_util::client",
        &["daemon/src/sync/", "daemon/src/api/client.rs"],
        "the local API has one client",
    ),
    ("sqlx", &["server/"], "the server's store is the server's"),
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
fn radio_store_and_network_each_have_one_home() {
    let mut strays = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(workspace().join(&path)).expect("a source is readable");
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

/// Lists every source of the workspace, relative to it.
fn sources() -> Vec<String> {
    let mut folders: Vec<PathBuf> = dependencies().into_keys().map(PathBuf::from).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace().join(&folder)).expect("a folder is readable") {
            let entry = entry.expect("a folder is readable");
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().expect("it is there").is_dir();
            if is_folder {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path.to_string_lossy().into_owned());
            }
        }
    }
    assert!(!sources.is_empty(), "there are sources");

    sources
}

fn folder(path: &Path) -> String {
    let name = path.file_name().expect("a crate has a folder of its own");

    name.to_string_lossy().into_owned()
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

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the scenarios lie in the workspace")
}
