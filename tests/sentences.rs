//! Every sentence that people or programs can get from a device is kept in `tests/sentences/`, so that a change of words is
//! seen where it is reviewed, and all of them can be read in one go.

use std::env;
use std::fmt::Write as _;
use std::fs;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::sources::{below, is_test, shipped, workspace};

/// Whose sentences are kept, and in which file.
const SPEAKERS: [(&str, &str); 11] = [
    ("api", "daemon/blepayd/src"),
    ("api-types", "daemon/api-types/src"),
    ("cli", "daemon/cli/src"),
    ("demo", "daemon/demo/src"),
    ("journal", "daemon/journal/src"),
    ("radio", "daemon/radio/src"),
    ("sync", "daemon/sync/src"),
    ("wallet", "daemon/wallet/src"),
    ("ble-proto", "ble-proto/src"),
    ("ops-proto", "ops-proto/src"),
    ("ta", "ta-sim/src"),
];

/// What is said in these files nobody reads: the statements of a database.
const SILENT: [&str; 1] = ["daemon/journal/src/store.rs"];

/// Set to `1`, the kept files are written anew.
const WRITE: &str = "BLEPAY_WRITE_SENTENCES";

#[test]
fn every_sentence_of_a_device_is_kept_as_it_is_said() {
    let folder = workspace().join("tests/sentences");
    let mut differences = String::new();
    for (name, sources) in SPEAKERS {
        let said = said_in(sources);
        let file = folder.join(format!("{name}.txt"));
        if env::var_os(WRITE).is_some() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&file, &said).expect("the file can be written");
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        for (sign, these, those) in [("-", &kept, &said), ("+", &said, &kept)] {
            let lines = these
                .lines()
                .filter(|line| !those.lines().any(|it| it == *line));
            for line in lines {
                writeln!(differences, "{name}.txt: {sign} {line}").expect("text takes text");
            }
        }
        let is_same = kept == said || !differences.is_empty();
        assert!(is_same, "{name}.txt: the order of its lines differs");
    }

    assert!(
        differences.is_empty(),
        "sentences changed; if they are meant, {WRITE}=1 cargo test --package scenarios sentences\n{differences}"
    );
}

#[test]
fn a_sentence_is_found_where_it_is_said_and_not_where_only_we_read_it() {
    let source = r#"
        /// A docstring of ours.
        #[error("the journal is full: {0}")]
        struct Full(String);
        #[expect(clippy::panic, reason = "a reason of ours")]
        fn f() {
            say("take this \
                 one too", "word", b"bytes are none");
            it.expect("a reason of ours");
            assert!(is_so, "a reason of ours");
        }
        #[cfg(test)]
        mod tests { const T: &str = "a test of ours"; }
        fn g() { say("and the last"); }
    "#;

    assert_eq!(
        sentences(source, Docs::Ours),
        [
            "the journal is full: {0}",
            "take this one too",
            "and the last"
        ]
    );
    assert_eq!(
        sentences("/// Write JSON on stdout\nstruct Json;", Docs::Help),
        ["Write JSON on stdout"]
    );
}

/// For whom the docstrings of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Docs {
    /// The help is made of them.
    Help,
    /// They are for whoever reads the source.
    Ours,
}

/// Returns what is said in a folder of sources, file by file.
fn said_in(folder: &str) -> String {
    let mut said = String::new();
    for (name, source) in below(folder) {
        if is_test(&name) || SILENT.contains(&&*name) {
            continue;
        }
        let docs = if name.ends_with("args.rs") {
            Docs::Help
        } else {
            Docs::Ours
        };
        let sentences = sentences(&source, docs);
        if !sentences.is_empty() {
            writeln!(said, "\n{name}").expect("text takes text");
        }
        for sentence in sentences {
            writeln!(said, "    {sentence}").expect("text takes text");
        }
    }

    said
}

/// Returns the sentences of a source, as they are written there.
fn sentences(source: &str, docs: Docs) -> Vec<String> {
    let mut found = Vec::new();
    walk(shipped(source), docs, &mut found);

    found
}

fn walk(tokens: TokenStream, docs: Docs, found: &mut Vec<String>) {
    // what was read before the present token
    let (mut before, mut name) = (String::new(), String::new());
    for token in tokens {
        let text = match &token {
            TokenTree::Group(_) => String::new(),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => token.to_string(),
        };
        match token {
            TokenTree::Group(group) if is_attribute(&group, &before, &name) => {
                walk_attribute(&group, docs, found);
            }
            TokenTree::Group(group) if !is_ours(&before, &name) => {
                walk(group.stream(), docs, found);
            }
            TokenTree::Literal(literal) => found.extend(sentence(&literal.to_string())),
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
        if before != "!" && text != "!" {
            name = String::new();
        }
        if text.starts_with(char::is_alphabetic) {
            name.clone_from(&text);
        }
        before = text;
    }
}

/// Whether brackets after these two tokens are those of `#[…]` or `#![…]`.
fn is_attribute(group: &Group, before: &str, name: &str) -> bool {
    let is_inner = before == "!" && name.is_empty();

    group.delimiter() == Delimiter::Bracket && (before == "#" || is_inner)
}

/// Whether what stands in the brackets after these two tokens is read by us alone: why nothing can fail.
fn is_ours(before: &str, name: &str) -> bool {
    let called = if before == "!" { name } else { before };

    matches!(
        called,
        "expect" | "expect_err" | "assert" | "assert_eq" | "debug_assert" | "unreachable" | "panic"
    )
}

/// Takes the sentences out of an attribute that has some for people.
fn walk_attribute(attribute: &Group, docs: Docs, found: &mut Vec<String>) {
    let stream = attribute.stream();
    let name = stream.clone().into_iter().next();
    let name = name.map(|name| name.to_string()).unwrap_or_default();
    match name.as_str() {
        "error" | "command" | "arg" | "value" => walk(stream, docs, found),
        "doc" if docs == Docs::Help => walk(stream, docs, found),
        _ => {}
    }
}

/// Returns what a literal says, if it is a sentence: words with a space between them, on one line.
fn sentence(literal: &str) -> Option<String> {
    let inside = literal
        .trim_start_matches('r')
        .trim_matches('#')
        .strip_prefix('"')?
        .strip_suffix('"')?;
    let text = inside
        .split("\\\n")
        .enumerate()
        .map(|(at, line)| if at == 0 { line } else { line.trim_start() })
        .collect::<String>();
    let text = text.trim().replace('\n', "\\n");
    let is_sentence = text.contains(' ') && text.contains(char::is_alphabetic);

    is_sentence.then_some(text)
}
