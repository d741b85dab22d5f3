//! A type of the device is found by its name: no crate defines a name twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_crate_of_the_device_gives_two_types_the_same_name() {
    let (mut twice, mut read) = (Vec::new(), 0);
    for home in crates() {
        let sources = sources(&home.join("src"));
        read += sources.len();
        twice.extend(defined_twice(&sources));
    }

    assert!(read > 100, "the sources are read");
    assert!(
        twice.is_empty(),
        "defined twice in a crate:\n{}",
        twice.join("\n")
    );
}

#[test]
fn a_name_that_two_sources_define_is_told_with_both() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let sources = [
        source("a.rs", "pub struct Link;\npub struct Aim;"),
        source("b.rs", "impl Iterator for Link { type Item = Aim; }"),
        source("c.rs", "enum Link { Up }"),
    ];

    assert_eq!(defined_twice(&sources), ["Link: a.rs and c.rs"]);
}

#[test]
fn a_definition_is_found_in_code_but_not_in_comments_texts_or_tests() {
    let text = r##"
//! struct Documented;
pub struct Unit;
pub(crate) enum Generic<'a, T: Fn([u8; 2])> { One(&'a T), Two { text: &'static str } }
pub(super) type Alias<T> = Vec<T>;
trait Wide: Send { type Output; fn call(&self, with: impl Fn()) -> Self::Output; }
impl Convert<[u8; 2]> for Unit {
    type Error = ();
    fn convert(with: impl Fn([u8; 2])) { struct Local; type Inner = u8; let quote = ['"', '\'']; }
}
/* enum Commented {} */
const TEXT: &str = "struct Text; \" struct Quoted;";
const RAW: &[u8] = br#"struct Raw; " struct Quoted;"#;
macro_rules! named { ($name:ident) => { struct $name; }; }
#[cfg(test)]
mod tests { struct Tested; }
"##;

    assert_eq!(
        types(text),
        ["Unit", "Generic", "Alias", "Wide", "Local", "Inner"]
    );
}

/// Returns the names that more than one of these sources of a crate defines, or one of them twice.
fn defined_twice(sources: &[(String, String)]) -> Vec<String> {
    let mut known = BTreeMap::new();
    let mut twice = Vec::new();
    for (path, text) in sources {
        for name in types(text) {
            if let Some(first) = known.insert(name, path) {
                twice.push(format!("{name}: {first} and {path}"));
            }
        }
    }

    twice
}

/// Lists the folders of the device's crates.
fn crates() -> Vec<PathBuf> {
    let rooms = fs::read_dir(workspace().join("daemon")).expect("the daemon's folder is readable");
    let rooms = rooms.map(|room| room.expect("the daemon's folder is readable").path());
    let others = ["host", "ops-proto", "ble-proto", "ta-sim"].map(|name| workspace().join(name));

    rooms.chain(others).collect()
}

/// Reads the sources below a folder, without those of unit tests: each with its path in the workspace.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut folders = vec![root.to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder is readable") {
            let path = entry.expect("a folder is readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if !is_test && path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is readable");
                let inside = path.strip_prefix(workspace());
                let inside = inside.expect("a crate lies in the workspace");
                sources.push((inside.to_string_lossy().into_owned(), text));
            }
        }
    }
    sources.sort();

    sources
}

/// Returns the names of the types that a source defines outside its tests. What an `impl` or a trait
/// associates is none of them.
fn types(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let tokens = tokens(code.unwrap_or_default());
    let mut found = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut item: Option<&str> = None;
    for (&token, &next) in tokens.iter().zip(tokens.iter().skip(1)) {
        match token {
            "{" => open.push(item.take().unwrap_or(token)),
            "(" | "[" => open.push(token),
            ")" | "]" => {
                let _closed = open.pop();
            }
            "}" => {
                let _closed = open.pop();
                item = None;
            }
            // within an array's type it ends no item
            ";" if !matches!(open.last(), Some(&("(" | "["))) => item = None,
            "fn" | "impl" | "mod" => {
                item.get_or_insert(token);
            }
            "struct" | "enum" | "trait" | "type" if is_name(next) => {
                let is_inside = matches!(open.last(), Some(&("impl" | "trait")));
                if token != "type" || !is_inside {
                    found.push(next);
                }
                item.get_or_insert(token);
            }
            _ => {}
        }
    }

    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Takes a source apart into names and signs, without comments, texts and characters.
fn tokens(source: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = after_quoted(rest) {
            rest = after;
            continue;
        }
        let end = if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(end);
        if !token.trim().is_empty() {
            tokens.push(token);
        }
        rest = after;
    }

    tokens
}

/// Returns what follows the comment, the text or the character that a source begins with, if it does.
fn after_quoted(source: &str) -> Option<&str> {
    if let Some(comment) = source.strip_prefix("//") {
        return Some(after(comment, "\n"));
    }
    if let Some(comment) = source.strip_prefix("/*") {
        return Some(after(comment, "*/"));
    }
    let raw = source.strip_prefix("br");
    if let Some(raw) = raw.or_else(|| source.strip_prefix('r')) {
        let quoted = raw.trim_start_matches('#');
        let end = format!("\"{}", raw.strip_suffix(quoted)?);
        return Some(after(quoted.strip_prefix('"')?, &end));
    }
    if let Some(text) = source.strip_prefix('"') {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => {
                    let _escaped = chars.next();
                }
                _ => {}
            }
        }
        return Some(chars.as_str());
    }
    let mut chars = source.strip_prefix('\'')?.chars();
    match chars.next()? {
        '\\' => {
            let _escaped = chars.next();
            Some(after(chars.as_str(), "'"))
        }
        // without an end it is a lifetime
        _ => chars.as_str().strip_prefix('\''),
    }
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, after)| after)
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the scenarios lie in the workspace")
}
