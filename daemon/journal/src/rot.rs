//! What a disk may do to the journal, drawn at random: no change of meaning stays unnoticed.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "it tells what it counted, and the counts are small"
)]

use std::fs;
use std::path::Path;

use ops_proto::Time;
use ops_proto::contract::Mark;
use tempfile::TempDir;

use super::JOURNAL_FILE;
use super::agree::picture;
use super::check::check;
use super::fact::Fact;
use super::head::HEAD_FILE;
use super::small_world::many_facts;
use super::store::{Store, reader};

/// Bits that are flipped, and places where a file is cut: in the journal's file when its daemon stopped, and in the log of one that
/// was killed, where all is that has happened since.
const FLIPS: u32 = 500;
const CUTS: u32 = 100;

/// What is drawn follows from it.
const SEED: u64 = 20_261_130;

/// Numbers drawn from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;

        usize::try_from(drawn).expect("64 bits") % end
    }
}

/// What became of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noticed {
    /// Nothing follows from it: it was in free space, or in what is written again.
    Harmless,
    /// The journal does not open, or a read fails.
    ByUse,
    /// The journal opens and every read answers; the check names it.
    ByCheck,
}

#[test]
fn no_flipped_bit_and_no_cut_changes_what_the_journal_says_unnoticed() {
    damage("the file of a daemon that stopped", true, JOURNAL_FILE);
}

#[test]
fn no_flipped_bit_and_no_cut_of_its_log_changes_what_the_journal_says_unnoticed() {
    let log = format!("{JOURNAL_FILE}-wal");
    damage("the log of a daemon that was killed", false, &log);
}

/// Damages one file of a journal at random, again and again.
fn damage(which: &str, is_closed: bool, file: &str) {
    let mut dice = Dice(SEED);
    let dir = TempDir::new().expect("a directory");
    let from = dir.path().join("journal");
    write(&from, is_closed);
    let sound = TempDir::new().expect("a directory");
    copy(&from, sound.path());
    let truth = read(sound.path()).expect("sound");
    let mut count = [0_u32; 3];
    for turn in 0..FLIPS + CUTS {
        let damaged = TempDir::new().expect("a directory");
        copy(&from, damaged.path());
        let path = damaged.path().join(file);
        let mut bytes = fs::read(&path).expect("read");
        let at = dice.below(bytes.len());
        let what = if turn < FLIPS {
            bytes[at] ^= 1 << dice.below(8);
            format!("bit in byte {at} of {which}")
        } else {
            bytes.truncate(at);
            format!("{which} cut at {at}")
        };
        fs::write(&path, bytes).expect("written");
        let noticed = noticed(damaged.path(), &truth);
        assert!(noticed.is_some(), "unnoticed: {what}, turn {turn}");
        let place = match noticed {
            Some(Noticed::Harmless) | None => 0,
            Some(Noticed::ByUse) => 1,
            Some(Noticed::ByCheck) => 2,
        };
        count[place] += 1;
    }
    let [harmless, by_use, by_check] = count;
    println!(
        "{which}, seed {SEED}: {FLIPS} flipped bits and {CUTS} cuts: {harmless} harmless, {by_use} noticed in use, {by_check} by the check, 0 unnoticed"
    );
    assert!(by_use > 0);
}

/// Copies what a journal consists of.
fn copy(from: &Path, to: &Path) {
    for held in [JOURNAL_FILE, &format!("{JOURNAL_FILE}-wal"), HEAD_FILE] {
        if from.join(held).exists() {
            fs::copy(from.join(held), to.join(held)).expect("copied");
        }
    }
}

/// Returns how a damage is noticed; `None` when it changes what is said and nobody notices.
fn noticed(dir: &Path, truth: &[String]) -> Option<Noticed> {
    let Some(said) = read(dir) else {
        return Some(Noticed::ByUse);
    };
    let checked = check(dir, |_, _| true);
    let is_clean = checked.is_ok_and(|checked| checked.differences.is_empty());
    match (said == truth, is_clean) {
        (_, false) => Some(Noticed::ByCheck),
        (true, true) => Some(Noticed::Harmless),
        (false, true) => None,
    }
}

/// Reads all that a journal says; `None` when it refuses to.
fn read(dir: &Path) -> Option<Vec<String>> {
    let store = Store::open(dir).ok()?;
    let index = reader(dir).ok()?;
    let said = picture(&store.book_for(&index));

    index.trouble().is_none().then_some(said)
}

/// Writes a journal; one that is closed has no log beside it.
fn write(dir: &Path, is_closed: bool) {
    fs::create_dir(dir).expect("a directory");
    let work = dir.with_extension("work");
    fs::create_dir(&work).expect("a directory");
    let mut store = Store::open(&work).expect("opened");
    for facts in many_facts().chunks(3) {
        let entries: Vec<(Fact, Option<Mark>)> =
            facts.iter().map(|fact| (fact.clone(), None)).collect();
        let by_reference: Vec<_> = entries.iter().collect();
        store
            .append(&by_reference, Time::from_ms(1))
            .expect("appended");
    }
    let copied = |store: Option<&Store>| {
        let _open = store;
        for held in fs::read_dir(&work).expect("a directory") {
            let held = held.expect("a file").path();
            let name = held.file_name().expect("a name");
            fs::copy(&held, dir.join(name)).expect("copied");
        }
    };
    if is_closed {
        assert!(store.settle());
        drop(store);
        copied(None);
    } else {
        copied(Some(&store));
    }
}
