//! All that an owner and a provider do beside paying: against a server with its books in PostgreSQL.
//!
//! Every part is a promise of its own and brings the wallets that it needs. A part that fails keeps its
//! evidence, and the others run all the same.

mod books;
mod ending;
mod gossip;
mod limits;
mod mailbox;
mod people;
mod rollback_server;
mod rollback_tpm;
mod spend_on;
mod withdraw;

use std::time::Instant;

use serde_json::{Map, Value};

use super::Found;
use crate::bench::Bench;
use crate::failure::{Failure, Outcome};
use crate::progress::say;
use people::People;

/// After how many payments without a sync a device warns, and after how many it refuses.
const PAID_WARN: u64 = 1;
const PAID_REFUSE: u64 = 2;

/// Limits of the trusted applications that a few payments reach.
const SETTINGS: &[(&str, &str, u64)] = &[
    ("limits.paid_count", "warn", PAID_WARN),
    ("limits.paid_count", "refuse", PAID_REFUSE),
];

/// What a part has proved: one sentence, and facts for programs.
type Proved = (String, Value);

type Part = fn(&mut Bench, &mut People) -> Outcome<Proved>;

/// In this order the wallets change hands least often; none needs another one.
const PARTS: [(&str, Part); 9] = [
    ("withdraw", withdraw::run),
    ("spend-on", spend_on::run),
    ("mailbox", mailbox::run),
    ("limits", limits::run),
    ("gossip", gossip::run),
    ("retire", ending::retire),
    ("recover", ending::recover),
    ("rollback-server", rollback_server::run),
    ("rollback-tpm", rollback_tpm::run),
];

pub(super) fn run(bench: &mut Bench) -> Outcome<Found> {
    bench.open_office(SETTINGS)?;
    let mut people = People::gather(bench)?;
    let mut found = Found::default();
    let mut facts = Map::new();
    let mut failures = Vec::new();
    for (name, part) in PARTS {
        match play(bench, &mut people, name, part) {
            Ok((line, more)) => {
                found.lines.push(format!("{name}: {line}"));
                facts.insert(name.to_owned(), more);
            }
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    match books::run(bench, &mut people) {
        Ok((line, more)) => {
            found.lines.push(format!("books: {line}"));
            facts.insert("books".to_owned(), more);
        }
        Err(failure) => failures.push(format!("books: {failure}")),
    }
    if bench.more_to_come {
        people.leave(bench)?;
    }
    found.facts = Value::Object(facts);
    if failures.is_empty() {
        return Ok(found);
    }

    Err(Failure::Unexpected(format!(
        "{} of {} parts failed\n{}",
        failures.len(),
        PARTS.len().saturating_add(1),
        failures.join("\n")
    )))
}

/// Plays one part; whatever it leaves behind when it fails, the next one finds boards that run.
fn play(bench: &mut Bench, people: &mut People, name: &str, part: Part) -> Outcome<Proved> {
    let started = Instant::now();
    let proved = bench.ready().and_then(|()| part(bench, people));
    let seconds = started.elapsed().as_secs_f64();
    match &proved {
        Ok((line, _)) => say(&format!("ops {name}: {line} ({seconds:.1} s)")),
        Err(failure) => {
            say(&format!("ops {name}: FAILED ({seconds:.1} s): {failure}"));
            let kept = bench.keep_evidence(&format!("ops-{name}"));
            say(&format!("ops {name}: kept {}", kept.display()));
            // It may have been left frozen, or with a part's half of a state.
            bench.payee.cut_power()?;
            bench.ready()?;
            people.look_again(bench)?;
        }
    }

    proved
}
