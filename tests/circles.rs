//! What lies side by side in a crate of the device does not know each other in a circle: modules and folders can be read
//! one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::sources::{below, crates_of_the_device, is_test};

/// The names that lead from the crate to a module.
type Module = Vec<String>;

#[test]
fn modules_of_the_daemon_that_lie_side_by_side_know_each_other_in_no_circle() {
    let (mut circles, mut known) = (Vec::new(), 0);
    let crates = crates_of_the_device().into_iter();
    for home in crates.filter(|home| home.starts_with("daemon/")) {
        let knows = knows(&format!("{home}/src"));
        known += knows.len();
        let pairs = knows
            .iter()
            .flat_map(|(from, known)| known.iter().map(move |to| (from, to)));
        let in_circles = pairs.filter(|(from, to)| reaches(&knows, to, from));
        circles.extend(in_circles.map(|(from, to)| {
            let (from, to) = (from.join("::"), to.join("::"));
            format!("{home}: {from} knows {to}")
        }));
    }

    assert!(known > 50, "the sources are read");
    assert!(circles.is_empty(), "in circles:\n{}", circles.join("\n"));
}

#[test]
fn a_path_is_found_in_imports_and_in_code_but_not_in_comments_or_tests() {
    let text = "use super::{a::B, c};\n// crate::d\nfn e() { crate::f::g(); }\n#[cfg(test)]\nmod tests { use super::h; }";

    assert_eq!(
        paths(text),
        [
            vec!["super", "a", "B"],
            vec!["super", "c"],
            vec!["crate", "f", "g"]
        ]
    );
    let from = module(&["wallet", "payee", "open"]);
    let is_module = |found: &Module| *found == module(&["wallet", "request"]);
    let path = ["super", "super", "request", "open"].map(str::to_owned);
    let known = resolve(&from, &path, is_module).expect("it is a module");
    assert_eq!(
        side_by_side(&from, &known),
        Some((module(&["wallet", "payee"]), module(&["wallet", "request"])))
    );
}

/// Returns which modules of a crate know which that lie beside them.
fn knows(root: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules = modules(root);
    let mut knows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, text) in &modules {
        for path in paths(text) {
            let Some(known) = resolve(module, &path, |found| modules.contains_key(found)) else {
                continue;
            };
            if let Some((from, to)) = side_by_side(module, &known) {
                knows.entry(from).or_default().insert(to);
            }
        }
    }

    knows
}

/// Returns the modules of a crate, each with its text.
fn modules(root: &str) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    for (path, text) in below(root) {
        let inside = Path::new(&path).strip_prefix(root);
        let inside = inside.expect("it lies in there").with_extension("");
        let names = inside.iter().map(|name| name.to_string_lossy());
        let mut module: Module = names.map(|name| name.into_owned()).collect();
        if module.last().is_some_and(|name| name == "mod") {
            let _mod = module.pop();
        }
        let is_root = module
            .first()
            .is_none_or(|name| name == "lib" || name == "main");
        if !is_test(&path) && !is_root {
            modules.insert(module, text);
        }
    }

    modules
}

/// Returns every path in code that begins at the crate or at a parent, groups of imports taken apart.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines();
    let code: Vec<_> = lines
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect();
    let mut found = Vec::new();
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut goes_on = false;
    for token in tokens(&code.join("\n")) {
        match token.as_str() {
            "::" => goes_on = !path.is_empty(),
            "{" if goes_on => {
                groups.push(std::mem::take(&mut path));
                goes_on = false;
            }
            name if name.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                if !goes_on {
                    found.push(std::mem::take(&mut path));
                    path = groups.last().cloned().unwrap_or_default();
                }
                path.push(token);
                goes_on = false;
            }
            sign => {
                found.push(std::mem::take(&mut path));
                goes_on = false;
                if sign == "}" {
                    let _ended = groups.pop();
                }
            }
        }
    }
    found.retain(|path| matches!(path.first().map(String::as_str), Some("crate" | "super")));

    found
}

/// Takes code apart into names, `::` and other signs.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(end);
        if !token.trim().is_empty() {
            tokens.push(token.to_owned());
        }
        rest = after;
    }

    tokens
}

/// Returns the module that a path in `from` names, or names something of.
fn resolve(from: &Module, path: &[String], is_module: impl Fn(&Module) -> bool) -> Option<Module> {
    let parents = path.iter().take_while(|name| *name == "super").count();
    let kept = match path.first()?.as_str() {
        "crate" => 0,
        _ => from.len().checked_sub(parents)?,
    };
    let mut named: Module = from.get(..kept)?.to_vec();
    named.extend(path.iter().skip(parents.max(1)).cloned());
    while !named.is_empty() && !is_module(&named) {
        let _item = named.pop();
    }

    (!named.is_empty()).then_some(named)
}

/// Returns where two modules part; nothing when one lies in the other.
fn side_by_side(from: &Module, to: &Module) -> Option<(Module, Module)> {
    let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();

    Some((from.get(..=shared)?.to_vec(), to.get(..=shared)?.to_vec()))
}

fn reaches(knows: &BTreeMap<Module, BTreeSet<Module>>, from: &Module, to: &Module) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(knows.get(module).into_iter().flatten());
        }
    }

    false
}

fn module(names: &[&str]) -> Module {
    names.iter().map(|name| (*name).to_owned()).collect()
}
