//! The host's own apt sources, as far as they serve the suite that the boards run.
//!
//! A machine that reaches Debian through a mirror or a proxy builds the image through the same one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

const APT: &str = "/etc/apt";
const SUITE: &str = "bookworm";
const COMPONENT: &str = "main";

/// Sources in apt's two formats; both empty means that the suite's default ones are taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// In the form `deb URI SUITE COMPONENT …`.
    pub(crate) one_line: String,
    /// In the form of `Name: value` stanzas.
    pub(crate) stanzas: String,
}

/// Reads the sources of this machine.
pub(crate) fn of_this_machine() -> Outcome<Sources> {
    let mut found = Sources::default();
    for path in files(Path::new(APT))? {
        let text =
            fs::read_to_string(&path).map_err(Failure::host(format!("read {}", path.display())))?;
        if path
            .extension()
            .is_some_and(|extension| extension == "sources")
        {
            found.stanzas.push_str(&fitting_stanzas(&text));
        } else {
            found.one_line.push_str(&fitting_lines(&text));
        }
    }

    Ok(found)
}

fn files(apt: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        for entry in entries {
            files.push(entry.map_err(Failure::host("list the apt sources"))?.path());
        }
    }
    files.retain(|path| {
        path.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == "list" || extension == "sources")
    });
    files.sort();

    Ok(files)
}

fn fitting_lines(text: &str) -> String {
    text.lines()
        .filter(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.first() == Some(&"deb")
                && words.iter().any(|word| is_suite(word))
                && words.contains(&COMPONENT)
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

fn fitting_stanzas(text: &str) -> String {
    let without_comments: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    without_comments
        .split("\n\n")
        .filter(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
            };
            field("Types:").split_whitespace().any(|kind| kind == "deb")
                && field("Suites:").split_whitespace().any(is_suite)
                && field("Components:")
                    .split_whitespace()
                    .any(|component| component == COMPONENT)
                && field("Enabled:").trim() != "no"
        })
        .map(|stanza| format!("{}\n\n", stanza.trim()))
        .collect()
}

fn is_suite(word: &str) -> bool {
    word == SUITE
        || word
            .strip_prefix(SUITE)
            .is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_the_boards_suite_and_component_are_taken() {
        let lines = "# deb http://a.invalid bookworm main\n\
                     deb http://a.invalid bookworm main contrib\n\
                     deb http://b.invalid trixie main\n\
                     deb http://c.invalid cloud-sdk-bookworm main\n\
                     deb-src http://a.invalid bookworm main\n";

        assert_eq!(
            fitting_lines(lines),
            "deb http://a.invalid bookworm main contrib\n"
        );
    }

    #[test]
    fn a_disabled_or_foreign_stanza_is_left_out() {
        let stanzas = "Types: deb\n# a comment\nURIs: http://a.invalid\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                       Types: deb\nURIs: http://b.invalid\nSuites: nodistro\nComponents: main\n\n\
                       Types: deb\nEnabled: no\nURIs: http://c.invalid\nSuites: bookworm\nComponents: main\n";

        assert_eq!(
            fitting_stanzas(stanzas),
            "Types: deb\nURIs: http://a.invalid\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        );
    }
}
