//! The lists on disk: one file for the directory, one for each provider, replaced as a whole.
//!
//! They can be fetched again, so that a damaged one is left out; but a version that requests have
//! stated must not be forgotten by a power cut, so that a file is synced before it takes its name.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ops_proto::ProviderId;
use ops_proto::signed::{decode_canonical, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::heard::Changed;
use super::shelf::{ProviderLists, Shelf, StoredDirectory};

const DIRECTORY_FILE: &str = "directory";
const LIST_SUFFIX: &str = ".list";

/// Twice the largest list, in bytes: one in use, one being gathered.
const FILE_SIZE_MAX: u64 = 2 * 1024 * 1024;

/// The folder of the lists.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;

        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Reads what is there.
    pub(super) fn read_all(&self) -> Shelf {
        let directory: Option<StoredDirectory> = read(&self.folder.join(DIRECTORY_FILE));
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let lists = files.filter_map(|file| {
            let provider = provider_of(file.file_name().to_str()?)?;
            let list: ProviderLists = read(&file.path())?;
            Some((provider, list))
        });

        Shelf::stored(directory, lists)
    }

    /// Writes what changed.
    pub(super) fn write(&self, shelf: &Shelf, changed: Changed) -> io::Result<()> {
        match changed {
            Changed::Directory => match shelf.to_store() {
                Some(directory) => self.replace(DIRECTORY_FILE, &directory),
                None => Ok(()),
            },
            Changed::Gathering(provider) | Changed::Whole(provider) => match shelf.list(provider) {
                Some(list) => self.replace(&format!("{provider}{LIST_SUFFIX}"), list),
                None => Ok(()),
            },
        }
    }

    fn replace(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let aside = self.folder.join(format!("{name}.new"));
        let mut file = File::create(&aside)?;
        file.write_all(&encode(value))?;
        file.sync_all()?;
        fs::rename(&aside, self.folder.join(name))?;

        File::open(&self.folder)?.sync_all()
    }
}

fn read<T: Serialize + DeserializeOwned>(path: &Path) -> Option<T> {
    let size = fs::metadata(path).ok()?.len();
    let read = (size <= FILE_SIZE_MAX)
        .then(|| fs::read(path).ok())
        .flatten();
    let value = read.and_then(|bytes| decode_canonical(&bytes).ok());
    if value.is_none() {
        tracing::warn!(file = %path.display(), "Skipped a deny-list that cannot be read");
    }

    value
}

fn provider_of(name: &str) -> Option<ProviderId> {
    let bytes = hex::decode(name.strip_suffix(LIST_SUFFIX)?).ok()?;

    Some(ProviderId(bytes.try_into().ok()?))
}
