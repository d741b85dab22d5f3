//! A type of the device is found by its name: no crate defines a name twice, and what two crates call the same is the same,
//! or in the table below with what tells it apart.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::{below, crates_of_the_device, is_test, shipped};

/// The names that several crates of the device define, by the reason why nobody takes one for another. A new one is rather
/// given a name of its own.
const SHARED: [(&str, &[&str]); 6] = [
    (
        "one thing as each layer has it: ordered, shown as JSON, recorded, kept by the TA, signed, sent",
        &[
            "ApprovedPayee",
            "Deposit",
            "DepositOrder",
            "Direction",
            "LimitWarning",
            "Offer",
            "OpenRequest",
            "Payment",
            "PaymentOrder",
            "PaymentState",
            "PinChange",
            "RefundOrder",
            "Request",
            "RequestOrder",
            "Withdrawal",
        ],
    ),
    (
        "the arguments of a command, beside what the command is about",
        &["Nearby", "Pin", "Policy", "Radio", "Withdraw"],
    ),
    (
        "one thing from its two sides: who a wallet is, told and held as a key; a stream, sent and read; a connection, \
         numbered by the radio and for the machine; how a request is found, as its payee and as its payer knows it; the \
         TA's session, of the device and of the TA",
        &["Events", "Identity", "LinkId", "Mode", "TaSession"],
    ),
    (
        "where somebody stands: a wallet, told to its owner; a TA, signed for its provider",
        &["Status"],
    ),
    (
        "everybody's own: what a program is started with or asked, what a check or a visit expects, what the parts of a \
         crate share, how something fails or ends",
        &[
            "Arguments",
            "Command",
            "Expected",
            "Failure",
            "Malformed",
            "Outcome",
            "Shared",
        ],
    ),
    (
        "seen in one folder alone, which says whose it is",
        &["Aim", "Desk", "Paid", "Peer"],
    ),
];

#[test]
fn no_crate_of_the_device_gives_two_types_the_same_name() {
    let (mut twice, mut read) = (Vec::new(), 0);
    for home in crates_of_the_device() {
        let sources = sources_of(&home);
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
fn crates_of_the_device_share_the_names_that_the_table_gives_a_reason_for_and_no_others() {
    let crates = crates_of_the_device().into_iter().map(|home| {
        let sources = sources_of(&home);
        (home, sources)
    });
    let mut shared = shared(&crates.collect());
    let mut wrong = Vec::new();
    for (reason, names) in &SHARED {
        for name in *names {
            if shared.remove(*name).is_none() {
                wrong.push(format!("{name}: no longer shared, or twice here: {reason}"));
            }
        }
    }
    wrong.extend(shared.iter().map(|(name, homes)| {
        let homes: Vec<_> = homes.iter().map(String::as_str).collect();
        format!("{name}: {}", homes.join(" and "))
    }));

    assert!(
        wrong.is_empty(),
        "shared without a reason:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_name_that_two_crates_define_is_told_with_both() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let crates = [
        ("radio", vec![source("a.rs", "struct Link; struct Aim;")]),
        ("wallet", vec![source("b.rs", "type Link = u8;")]),
        ("sync", vec![source("c.rs", "fn link(link: Link) {}")]),
        (
            "host",
            vec![source("d.rs", "enum Own {}"), source("e.rs", "enum Own {}")],
        ),
    ];
    let crates = crates.map(|(home, sources)| (home.to_owned(), BTreeMap::from_iter(sources)));

    let shared = shared(&BTreeMap::from(crates));

    let homes = ["radio", "wallet"].map(str::to_owned);
    let found = BTreeMap::from([("Link".to_owned(), BTreeSet::from(homes))]);
    assert_eq!(shared, found);
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

/// Returns the sources of a crate that are more than tests.
fn sources_of(home: &str) -> BTreeMap<String, String> {
    let mut sources = below(&format!("{home}/src"));
    sources.retain(|path, _| !is_test(path));

    sources
}

/// Returns the names that more than one of these crates defines, each with those.
fn shared(
    crates: &BTreeMap<String, BTreeMap<String, String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (home, sources) in crates {
        for name in sources.values().flat_map(|text| types(text)) {
            homes.entry(name).or_default().insert(home.clone());
        }
    }
    homes.retain(|_, homes| homes.len() > 1);

    homes
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
