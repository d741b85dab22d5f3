//! `docs/promises.md` names tests that exist.

use std::collections::BTreeSet;
use std::fs;

use crate::sources::workspace;

#[test]
fn every_test_that_is_named_here_exists() {
    let document = document();
    let named = named(&document);
    assert!(!named.is_empty(), "the document names tests");

    let missing: Vec<_> = named
        .iter()
        .filter(|(file, function)| !is_tested(&source(file), function))
        .map(|(file, function)| format!("{file}.rs::{function}"))
        .collect();

    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}

#[test]
fn every_promise_names_a_test_that_proves_it() {
    let document = document();
    let bare: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
        .filter(|line| !line.ends_with("| proved by |"))
        .filter(|line| named(line).is_empty())
        .collect();

    assert!(bare.is_empty(), "without a test:\n{}", bare.join("\n"));
}

#[test]
fn a_test_is_a_function_with_the_attribute_of_one() {
    let source = "#[test]\nfn one() {}\n\n#[tokio::test(start_paused = true)]\n#[ignore]\nasync fn two() {}\n\nfn helper() {}\n";

    assert!(is_tested(source, "one"));
    assert!(is_tested(source, "two"));
    assert!(!is_tested(source, "helper"));
    assert!(!is_tested(source, "on"));
}

/// Returns the tests that `text` names, as `file.rs::function` between backticks.
fn named(text: &str) -> BTreeSet<(&str, &str)> {
    text.split('`')
        .filter_map(|span| span.split_once(".rs::"))
        .collect()
}

/// Whether `source` has a test of this name: a function with an attribute that makes it one.
fn is_tested(source: &str, function: &str) -> bool {
    let signature = format!("fn {function}(");
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let declared = line.strip_prefix("async ").unwrap_or(line);
        if is_test && declared.starts_with(&signature) {
            return true;
        }
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            is_test = false;
        }
    }

    false
}

fn source(file: &str) -> String {
    fs::read_to_string(workspace().join(format!("{file}.rs"))).unwrap_or_default()
}

fn document() -> String {
    fs::read_to_string(workspace().join("docs/promises.md")).expect("the document is there")
}
