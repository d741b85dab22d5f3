//! A type of the device is found by its name: no crate defines a name twice.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::{below, crates_of_the_device, is_test, shipped};

#[test]
fn no_crate_of_the_device_gives_two_types_the_same_name() {
    let (mut twice, mut read) = (Vec::new(), 0);
    for home in crates_of_the_device() {
        let mut sources = below(&format!("{home}/src"));
        sources.retain(|path, _| !is_test(path));
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

    let twice = defined_twice(&sources.into());

    assert_eq!(twice, ["Link: a.rs and c.rs"]);
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
fn defined_twice(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut known = BTreeMap::new();
    let mut twice = Vec::new();
    for (path, text) in sources {
        for name in types(text) {
            let told = format!("{name}: ");
            if let Some(first) = known.insert(name, path) {
                twice.push(format!("{told}{first} and {path}"));
            }
        }
    }

    twice
}

/// Returns the names of the types that a source defines outside its tests. What an `impl` or a trait
/// associates is none of them.
fn types(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(shipped(text), Within::Items, &mut found);

    found
}

/// What stands in the same brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Items, or code.
    Items,
    /// What an `impl` or a trait associates.
    Associated,
}

fn walk(tokens: TokenStream, within: Within, found: &mut Vec<String>) {
    let mut before = String::new();
    // what the item that has begun holds
    let mut item: Option<Within> = None;
    for token in tokens {
        let text = match &token {
            TokenTree::Group(_) => String::new(),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => token.to_string(),
        };
        let is_named = match before.as_str() {
            "struct" | "enum" | "trait" => true,
            "type" => within == Within::Items,
            _ => false,
        };
        match token {
            TokenTree::Group(group) => {
                let is_body = group.delimiter() == Delimiter::Brace;
                let holds = if is_body { item.take() } else { None };
                walk(group.stream(), holds.unwrap_or(Within::Items), found);
            }
            TokenTree::Ident(_) if is_named => found.push(text.clone()),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        match text.as_str() {
            "impl" | "trait" => {
                let _first = item.get_or_insert(Within::Associated);
            }
            // a function may return `impl Fn()`, and its body is code
            "fn" | "mod" | "struct" | "enum" => {
                let _first = item.get_or_insert(Within::Items);
            }
            ";" => item = None,
            _ => {}
        }
        before = text;
    }
}
