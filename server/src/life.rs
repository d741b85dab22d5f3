//! What a machine knows of the server's lives apart from the books, which a restore replaces: a file with the highest life that
//! has begun here, and a mark while a restore is under way.
//!
//! The number of a life is never given twice, whatever was lost: the next one lies above the life of the books that are here, of
//! those that are put back, of this file, and above a number from the date, which is there when all of them are gone. The same
//! holds for the versions of our deny-list, of which each life has a block.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ops_proto::Time;

use crate::provider::{Access, FileError, make_file, replace_file, settle_name};

/// 2020-01-01T00:00:00Z, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_577_836_800_000;

/// How long one number of the date lasts for a life, in milliseconds: ten minutes.
const LIFE_MS: u64 = 10 * 60 * 1000;

/// And for a block of versions: thirty days. There are 4096 blocks.
const BLOCK_MS: u64 = 30 * 24 * 3600 * 1000;

/// More versions than our list has in one life.
const VERSIONS_OF_A_LIFE: u32 = 1 << 20;

/// A date above half of what there is tells of a clock, and is not followed.
const LIFE_DATED_MAX: u64 = 1 << 31;
const VERSION_DATED_MAX: u32 = 1 << 31;

/// How far lives have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The life.
    pub(crate) life: i64,
    /// A version of our deny-list that it has had.
    pub(crate) list: u32,
}

impl Begun {
    /// Returns the higher one of each.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            life: self.life.max(other.life),
            list: self.list.max(other.list),
        }
    }

    /// Returns the life above this one and above the date, with the first version of its list.
    fn next(self, now: Time) -> Self {
        let since = now.as_ms().saturating_sub(EPOCH_MS);
        let dated = since.checked_div(LIFE_MS);
        let dated = dated.filter(|dated| *dated < LIFE_DATED_MAX);
        let dated = dated.and_then(|dated| i64::try_from(dated).ok());
        let block = since.checked_div(BLOCK_MS);
        let block = block.and_then(|block| u32::try_from(block).ok());
        let version = block.and_then(|block| block.checked_mul(VERSIONS_OF_A_LIFE));
        let version = version.filter(|version| *version < VERSION_DATED_MAX);

        let above = Self {
            life: self.life.saturating_add(1),
            list: self.list.saturating_add(VERSIONS_OF_A_LIFE),
        };
        above.or(Self {
            life: dated.unwrap_or(0),
            list: version.unwrap_or(0),
        })
    }
}

impl fmt::Display for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.life, self.list)
    }
}

/// Books that no server may answer from.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// A restore was cut: the books may be gone, or not yet be those that are to come.
    #[error(
        "a restore was not finished: run `blepay-server restore` again, with --force; books that were here before it lie \
         beside their old place"
    )]
    RestoreCut,
    /// The books were put back by another way than a restore.
    #[error(
        "the books are of life {in_books}, and life {begun} has begun on this machine: put a backup back with `blepay-server \
         restore`, which begins a new one"
    )]
    EarlierLife {
        /// The life of the books.
        in_books: i64,
        /// The highest life that has begun here.
        begun: i64,
    },
    /// What is known of lives cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The files of one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Lives {
    begun: PathBuf,
    restoring: PathBuf,
}

impl Lives {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            begun: data.join("life"),
            restoring: data.join("restore.pending"),
        }
    }

    /// Returns how far lives have come on this machine; nothing if none is known.
    fn highest(&self) -> Result<Begun, FileError> {
        let text = match fs::read_to_string(&self.begun) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Begun::default()),
            Err(error) => return Err(failed(&self.begun, error)),
        };
        let mut words = text.split_whitespace();
        let begun = words.next().zip(words.next()).and_then(|(life, list)| {
            Some(Begun {
                life: life.parse().ok()?,
                list: list.parse().ok()?,
            })
        });
        let no_form = || io::Error::new(io::ErrorKind::InvalidData, "it holds no life and version");

        begun.ok_or_else(|| failed(&self.begun, no_form()))
    }

    /// Notes, durably, that a life has begun. Call it before anything is answered in it.
    pub(crate) fn begin(&self, begun: Begun) -> Result<(), FileError> {
        let highest = self.highest()?;
        let raised = highest.or(begun);
        if raised == highest {
            return Ok(());
        }

        replace_file(
            &self.begun,
            format!("{raised}\n").as_bytes(),
            Access::Secret,
        )
    }

    /// Returns the life that lies above all that are known, at this instant.
    pub(crate) fn next(&self, known: Begun, now: Time) -> Result<Begun, FileError> {
        Ok(self.highest()?.or(known).next(now))
    }

    /// Checks that a server may answer from books that have come so far, and notes that it does.
    pub(crate) fn check(&self, in_books: Begun) -> Result<(), LifeError> {
        self.check_whole()?;
        let begun = self.highest()?.life;
        if in_books.life < begun {
            let in_books = in_books.life;
            return Err(LifeError::EarlierLife { in_books, begun });
        }

        Ok(self.begin(in_books)?)
    }

    /// Checks that no restore is unfinished.
    pub(crate) fn check_whole(&self) -> Result<(), LifeError> {
        if self.restoring.exists() {
            return Err(LifeError::RestoreCut);
        }

        Ok(())
    }

    /// Notes, durably, that books are about to be replaced.
    pub(crate) fn begin_restore(&self) -> Result<(), FileError> {
        if !self.restoring.exists() {
            make_file(&self.restoring, b"", Access::Secret)?;
        }

        settle_name(&self.restoring)
    }

    /// Notes, durably, that the books are whole: those that were put back, or those that were never touched.
    pub(crate) fn end_restore(&self) -> Result<(), FileError> {
        fs::remove_file(&self.restoring).map_err(|error| failed(&self.restoring, error))?;

        settle_name(&self.restoring)
    }
}

fn failed(path: &Path, source: io::Error) -> FileError {
    FileError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_life_lies_above_all_that_are_known_and_above_the_date() {
        let data = tempfile::tempdir().unwrap();
        let lives = Lives::new(data.path());
        let begun = |life, list| Begun { life, list };
        let first_day = Time::from_ms(EPOCH_MS);
        let later = Time::from_ms(EPOCH_MS + 3 * BLOCK_MS);
        let block = VERSIONS_OF_A_LIFE;

        let next = |known, now| lives.next(known, now).unwrap();
        assert_eq!(next(begun(0, 0), first_day), begun(1, block));
        assert_eq!(next(begun(7, 5), first_day), begun(8, block + 5));
        let dated = i64::try_from(3 * BLOCK_MS / LIFE_MS).unwrap();
        assert_eq!(next(begun(7, 5), later), begun(dated, 3 * block));
        lives.begin(begun(dated + 9, 4 * block)).unwrap();
        lives.begin(begun(3, 0)).unwrap();
        assert_eq!(next(begun(7, 5), later), begun(dated + 10, 5 * block));
    }

    #[test]
    fn a_clock_that_is_ages_ahead_uses_up_neither_lives_nor_versions() {
        let known = Begun { life: 7, list: 5 };
        for ms in [u64::MAX, EPOCH_MS + (1 << 31) * LIFE_MS] {
            let next = known.next(Time::from_ms(ms));

            assert_eq!(next.life, 8, "{ms}");
            assert_eq!(next.list, VERSIONS_OF_A_LIFE + 5, "{ms}");
        }
    }

    #[test]
    fn a_file_of_lives_that_cannot_be_read_is_no_missing_one() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("life"), "").unwrap();

        assert!(Lives::new(data.path()).check(Begun::default()).is_err());
    }
}
