//! What a machine knows of the server's lives apart from the books, which a restore replaces: a file with the highest life that
//! has begun here, and a mark while a restore is under way.
//!
//! The number of a life is never given twice, whatever was lost: the next one lies above the life of the books that are here, of
//! those that are put back, of this file, and above a number from the date, which is there when all of them are gone.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ops_proto::Time;

use crate::provider::{Access, FileError, make_file, replace_file};

/// 2020-01-01T00:00:00Z, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_577_836_800_000;

/// How long one number of the date lasts, in milliseconds: ten minutes. A list of 2³² versions, with those that each life may
/// make, lasts until 2099.
const NUMBER_MS: u64 = 10 * 60 * 1000;

/// The files of one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Lives {
    life: PathBuf,
    restoring: PathBuf,
}

impl Lives {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            life: data.join("life"),
            restoring: data.join("restore.pending"),
        }
    }

    /// Returns the highest life that has begun on this machine, 0 if none is known.
    pub(crate) fn highest(&self) -> Result<i64, FileError> {
        let text = match fs::read_to_string(&self.life) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed(&self.life, error)),
        };
        let number = text.trim().parse();

        number.map_err(|error| {
            failed(
                &self.life,
                io::Error::new(io::ErrorKind::InvalidData, error),
            )
        })
    }

    /// Notes, durably, that a life begins. Call it before anything is answered in it.
    pub(crate) fn begin(&self, life: i64) -> Result<(), FileError> {
        if self.highest()? >= life {
            return Ok(());
        }

        replace_file(&self.life, format!("{life}\n").as_bytes(), Access::Secret)
    }

    /// Returns the life that lies above all that are known, at this instant.
    pub(crate) fn next(&self, known: i64, now: Time) -> Result<i64, FileError> {
        let since = now.as_ms().saturating_sub(EPOCH_MS);
        let dated = since.checked_div(NUMBER_MS).unwrap_or(0);
        let dated = i64::try_from(dated).unwrap_or(i64::MAX);
        let begun = known.max(self.highest()?).saturating_add(1);

        Ok(begun.max(dated))
    }

    /// Notes, durably, that books are about to be replaced.
    pub(crate) fn begin_restore(&self) -> Result<(), FileError> {
        if self.is_restoring() {
            return Ok(());
        }

        make_file(&self.restoring, b"", Access::Secret)
    }

    /// Whether books were about to be replaced, and perhaps were not.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoring.exists()
    }

    /// Notes that the books are whole again.
    pub(crate) fn end_restore(&self) -> Result<(), FileError> {
        fs::remove_file(&self.restoring).map_err(|error| failed(&self.restoring, error))
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
        let first_day = Time::from_ms(EPOCH_MS);
        let later = Time::from_ms(EPOCH_MS + 100 * NUMBER_MS);

        assert_eq!(lives.next(0, first_day).unwrap(), 1);
        assert_eq!(lives.next(7, first_day).unwrap(), 8);
        assert_eq!(lives.next(7, later).unwrap(), 100);
        lives.begin(200).unwrap();
        lives.begin(3).unwrap();
        assert_eq!(lives.highest().unwrap(), 200);
        assert_eq!(lives.next(7, later).unwrap(), 201);
    }

    #[test]
    fn a_file_of_lives_that_cannot_be_read_is_no_missing_one() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("life"), "").unwrap();

        assert!(Lives::new(data.path()).highest().is_err());
    }
}
