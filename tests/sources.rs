//! The sources of this workspace, as tests about them read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Returns the folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the scenarios lie in the workspace")
}

/// Returns the sources below a folder of the workspace: where each lies in the workspace, and its text.
pub(crate) fn below(folder: &str) -> BTreeMap<String, String> {
    let mut folders = vec![PathBuf::from(folder)];
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace().join(&folder)).expect("a folder is readable") {
            let entry = entry.expect("a folder is readable");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("it is there").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(workspace().join(&path));
                let text = text.expect("a source is readable");
                sources.insert(path.to_string_lossy().into_owned(), text);
            }
        }
    }

    sources
}

/// Returns the folders of the device's crates.
pub(crate) fn crates_of_the_device() -> Vec<String> {
    let rooms = fs::read_dir(workspace().join("daemon")).expect("the daemon's folder is readable");
    let rooms = rooms.map(|room| {
        let name = room.expect("the daemon's folder is readable").file_name();
        format!("daemon/{}", name.to_string_lossy())
    });
    let others = ["host", "ops-proto", "ble-proto", "ta-sim"].map(str::to_owned);

    rooms.chain(others).collect()
}

/// Whether a source holds nothing but unit tests.
pub(crate) fn is_test(path: &str) -> bool {
    Path::new(path)
        .file_stem()
        .is_some_and(|name| name == "tests")
}

/// Takes a source apart as the compiler does, and leaves out what is built for tests alone.
pub(crate) fn shipped(source: &str) -> TokenStream {
    without_tests(source.parse().expect("a source is Rust"))
}

fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter();
    let mut kept: Vec<TokenTree> = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if is_for_tests(&group) => {
                let _hash = kept.pop();
                // the item that it stands before
                let _item = tokens.find(ends_item);
            }
            TokenTree::Group(group) => {
                let inside = without_tests(group.stream());
                kept.push(Group::new(group.delimiter(), inside).into());
            }
            token @ (TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) => {
                kept.push(token);
            }
        }
    }

    kept.into_iter().collect()
}

fn is_for_tests(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket
        && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    }
}
