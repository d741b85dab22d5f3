//! The rules of deny-lists, over memory alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ble_proto::gossip::{Denied, DeniedSubject, Gathering, GossipItem, HeldList, Holding};
use ble_proto::limits::GOSSIP_PIECES_MAX;
use ops_proto::limits::{
    DENY_LIST_ENTRIES_MAX, DENY_PIECE_ENTRIES_MAX, DIRECTORY_PROVIDERS_MAX, LISTS_HELD_MAX,
};
use ops_proto::list::List;
use ops_proto::message::{
    DenyListPiece, DirectoryEntry, ListVersion, ListsHeld, ProviderDirectory, ProviderList,
    ProviderStanding,
};
use ops_proto::{Name, ProviderId, PublicKey, Signed};
use serde::{Deserialize, Serialize};

use super::heard::{Changed, Heard, ListRefused};

/// Pieces of one version: as many as the largest list fills.
pub(super) const PIECES_MAX: usize = DENY_LIST_ENTRIES_MAX.div_ceil(DENY_PIECE_ENTRIES_MAX);

/// All lists of a device. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    directory: Option<Signed<ProviderDirectory>>,
    /// Providers that the directory revokes, each with the first directory version seen that revoked it.
    revoked: Vec<ProviderList>,
    /// Of the providers that the directory names.
    lists: BTreeMap<ProviderId, Arc<ProviderLists>>,
}

/// What is held of one provider's list. It is stored as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProviderLists {
    /// All pieces of the version in use.
    whole: Vec<Signed<DenyListPiece>>,
    /// For each entry of it, in order: the first version here that named the key.
    since: Vec<ListVersion>,
    /// The first pieces of a newer version.
    gathering: Vec<Signed<DenyListPiece>>,
}

/// The directory as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredDirectory {
    directory: Signed<ProviderDirectory>,
    revoked: Vec<ProviderList>,
}

/// One provider's list, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListView {
    /// The provider.
    pub provider: ProviderId,
    /// Its name, as the root writes it.
    pub name: Name,
    /// Whether the root stands behind it.
    pub standing: ProviderStanding,
    /// The version in use.
    pub version: ListVersion,
    /// How many keys it names.
    pub entries: usize,
    /// How many pieces of a newer version are held, of how many.
    pub gathering: Option<(usize, u16)>,
}

impl Shelf {
    /// Puts together what was stored.
    pub(super) fn stored(
        directory: Option<StoredDirectory>,
        lists: impl IntoIterator<Item = (ProviderId, ProviderLists)>,
    ) -> Self {
        let Some(StoredDirectory { directory, revoked }) = directory else {
            return Self::default();
        };
        let mut shelf = Self {
            directory: Some(directory),
            revoked,
            lists: BTreeMap::new(),
        };
        for (provider, list) in lists {
            if shelf.entry(provider).is_some() && list.is_consistent() {
                let _none = shelf.lists.insert(provider, Arc::new(list));
            }
        }

        shelf
    }

    /// Takes a directory or a piece, if every rule allows it.
    pub(super) fn hear(&mut self, root: &PublicKey, item: GossipItem) -> Heard {
        match item {
            GossipItem::Directory(directory) => self.hear_directory(root, *directory),
            GossipItem::Piece(piece) => self.hear_piece(*piece),
        }
    }

    fn hear_directory(&mut self, root: &PublicKey, heard: Signed<ProviderDirectory>) -> Heard {
        let body = heard.body();
        if let Some(held) = &self.directory
            && body.version <= held.body().version
        {
            let contradicts = body.version == held.body().version && heard != *held;
            return if contradicts && heard.verify(root).is_ok() {
                Heard::Refused(ListRefused::Equivocation)
            } else {
                Heard::Known
            };
        }
        if !body.providers.is_sorted_by(|a, b| a.provider < b.provider) {
            return Heard::Refused(ListRefused::DirectoryOrder);
        }
        if heard.verify(root).is_err() {
            return Heard::Refused(ListRefused::Signature);
        }
        self.adopt_directory(heard);

        Heard::Kept(Changed::Directory)
    }

    fn adopt_directory(&mut self, directory: Signed<ProviderDirectory>) {
        let body = directory.body();
        let is_revoked = |entry: &&DirectoryEntry| entry.standing == ProviderStanding::Revoked;
        self.revoked = body
            .providers
            .iter()
            .filter(is_revoked)
            .map(|entry| {
                let before = self
                    .revoked
                    .iter()
                    .find(|revoked| revoked.provider == entry.provider);
                before.copied().unwrap_or(ProviderList {
                    provider: entry.provider,
                    version: body.version,
                })
            })
            .collect();
        for entry in body.providers.iter() {
            // pieces gathered under a previous key can no longer be completed
            if let Some(list) = self.lists.get_mut(&entry.provider)
                && list
                    .gathering_version()
                    .is_some_and(|version| version.epoch != entry.epoch)
            {
                Arc::make_mut(list).gathering.clear();
            }
        }
        let is_named = |provider: &ProviderId| {
            body.providers
                .iter()
                .any(|entry| entry.provider == *provider)
        };
        self.lists.retain(|provider, _| is_named(provider));
        self.directory = Some(directory);
    }

    fn hear_piece(&mut self, heard: Signed<DenyListPiece>) -> Heard {
        let body = heard.body();
        let provider = body.provider;
        let Some(entry) = self.entry(provider) else {
            return Heard::Refused(ListRefused::UnknownProvider);
        };
        let (epoch, list_key) = (entry.epoch, entry.list_key);
        let empty = Arc::default();
        let list = self.lists.get(&provider).unwrap_or(&empty);
        match list.place(body) {
            PiecePlace::Next => {}
            PiecePlace::NotDue => return Heard::Known,
            PiecePlace::Held(held) => {
                let contradicts = *held != heard && heard.verify(&list_key).is_ok();
                return if contradicts {
                    Heard::Refused(ListRefused::Equivocation)
                } else {
                    Heard::Known
                };
            }
        }
        if body.version.epoch != epoch {
            return Heard::Refused(ListRefused::Epoch);
        }
        if let Err(refused) = list.check(body) {
            return Heard::Refused(refused);
        }
        // only what has its place is worth a signature check
        if heard.verify(&list_key).is_err() {
            return Heard::Refused(ListRefused::Signature);
        }
        let list = Arc::make_mut(self.lists.entry(provider).or_default());

        Heard::Kept(list.take(heard))
    }

    /// Returns what the directory says of a provider.
    fn entry(&self, provider: ProviderId) -> Option<&DirectoryEntry> {
        let providers = &self.directory.as_ref()?.body().providers;

        providers.iter().find(|entry| entry.provider == provider)
    }

    pub(super) fn denied(&self) -> Denied {
        let subjects = self.lists.iter().flat_map(|(provider, list)| {
            list.entries().map(|(key, since)| DeniedSubject {
                provider: *provider,
                key,
                since,
            })
        });

        Denied::new(subjects.collect(), self.revoked.clone())
    }

    pub(super) fn holding(&self) -> Holding {
        let lists: Vec<_> = self
            .lists
            .iter()
            .map(|(provider, list)| HeldList {
                provider: *provider,
                version: list.version(),
                gathering: list.gathering_now(),
            })
            .take(DIRECTORY_PROVIDERS_MAX)
            .collect();

        Holding {
            directory: self.directory_version(),
            lists: List::try_from(lists).unwrap_or_default(),
        }
    }

    pub(super) fn held(&self, own: Option<ProviderId>) -> ListsHeld {
        let mut lists: Vec<_> = self
            .lists
            .iter()
            .filter(|(_, list)| !list.whole.is_empty())
            .map(|(provider, list)| ProviderList {
                provider: *provider,
                version: list.version(),
            })
            .collect();
        lists.sort_by_key(|list| Some(list.provider) != own);
        lists.truncate(LISTS_HELD_MAX);

        ListsHeld {
            root: self.directory_version(),
            providers: List::try_from(lists).unwrap_or_default(),
        }
    }

    pub(super) fn missing(&self, theirs: &Holding) -> Vec<GossipItem> {
        let directory = self
            .directory
            .iter()
            .filter(|directory| directory.body().version > theirs.directory)
            .map(|directory| GossipItem::Directory(Box::new(directory.clone())));
        // nobody accepts new pieces under a previous list key
        let is_current = |provider: ProviderId, version: ListVersion| {
            self.entry(provider)
                .is_some_and(|entry| entry.epoch == version.epoch)
        };
        let current = self
            .lists
            .iter()
            .filter(|(provider, list)| is_current(**provider, list.version()));
        let pieces = current.flat_map(|(provider, list)| {
            let held = theirs.lists.iter().find(|held| held.provider == *provider);
            list.whole
                .iter()
                .skip(first_missing(list.version(), held, list.whole.len()))
        });
        let pieces = pieces
            .take(GOSSIP_PIECES_MAX)
            .map(|piece| GossipItem::Piece(Box::new(piece.clone())));

        directory.chain(pieces).collect()
    }

    pub(super) fn pieces(&self, provider: ProviderId) -> Vec<Signed<DenyListPiece>> {
        self.lists.get(&provider).map_or_else(Vec::new, |list| {
            list.whole.iter().chain(&list.gathering).cloned().collect()
        })
    }

    pub(super) fn view(&self) -> Vec<ListView> {
        let Some(directory) = &self.directory else {
            return Vec::new();
        };
        let empty = Arc::default();
        let providers = directory.body().providers.iter();

        providers
            .map(|entry| {
                let list = self.lists.get(&entry.provider).unwrap_or(&empty);
                ListView {
                    provider: entry.provider,
                    name: entry.name.clone(),
                    standing: entry.standing,
                    version: list.version(),
                    entries: list.since.len(),
                    gathering: list
                        .gathering
                        .first()
                        .map(|first| (list.gathering.len(), first.body().pieces)),
                }
            })
            .collect()
    }

    /// Returns the directory as it is stored.
    pub(super) fn to_store(&self) -> Option<StoredDirectory> {
        Some(StoredDirectory {
            directory: self.directory.clone()?,
            revoked: self.revoked.clone(),
        })
    }

    /// Returns a provider's list as it is stored.
    pub(super) fn list(&self, provider: ProviderId) -> Option<&ProviderLists> {
        self.lists.get(&provider).map(Arc::as_ref)
    }

    fn directory_version(&self) -> ListVersion {
        self.directory
            .as_ref()
            .map_or_else(ListVersion::default, |directory| directory.body().version)
    }
}

/// Where a piece belongs.
enum PiecePlace<'a> {
    /// It is the next one that is missing.
    Next,
    /// Its place is taken by this one.
    Held(&'a Signed<DenyListPiece>),
    /// It is of an older version, or pieces before it are missing.
    NotDue,
}

impl ProviderLists {
    fn version(&self) -> ListVersion {
        version_of(&self.whole).unwrap_or_default()
    }

    fn gathering_version(&self) -> Option<ListVersion> {
        version_of(&self.gathering)
    }

    fn gathering_now(&self) -> Option<Gathering> {
        Some(Gathering {
            version: self.gathering_version()?,
            next: u16::try_from(self.gathering.len()).ok()?,
        })
    }

    fn entries(&self) -> impl Iterator<Item = (PublicKey, ListVersion)> {
        let keys = self
            .whole
            .iter()
            .flat_map(|piece| piece.body().entries.iter());

        keys.map(|entry| entry.key).zip(self.since.iter().copied())
    }

    fn place(&self, body: &DenyListPiece) -> PiecePlace<'_> {
        let at = usize::from(body.piece);
        if body.version <= self.version() {
            let same = (body.version == self.version())
                .then(|| self.whole.get(at))
                .flatten();
            return same.map_or(PiecePlace::NotDue, PiecePlace::Held);
        }
        match self.gathering_version() {
            Some(version) if version == body.version => match self.gathering.get(at) {
                Some(held) => PiecePlace::Held(held),
                None if at == self.gathering.len() => PiecePlace::Next,
                None => PiecePlace::NotDue,
            },
            Some(version) if version > body.version => PiecePlace::NotDue,
            // a newer version than the one that is gathered begins anew
            Some(_) | None if at == 0 => PiecePlace::Next,
            Some(_) | None => PiecePlace::NotDue,
        }
    }

    /// Checks a piece that is next against the ones before it.
    fn check(&self, body: &DenyListPiece) -> Result<(), ListRefused> {
        let before: &[Signed<DenyListPiece>] = if body.piece == 0 {
            &[]
        } else {
            &self.gathering
        };
        let pieces = usize::from(body.pieces);
        let is_other_number = before
            .first()
            .is_some_and(|first| first.body().pieces != body.pieces);
        if pieces == 0 || pieces > PIECES_MAX || body.piece >= body.pieces || is_other_number {
            return Err(ListRefused::Pieces);
        }
        let last = before
            .iter()
            .rev()
            .find_map(|piece| piece.body().entries.last());
        let keys = last.into_iter().chain(body.entries.iter());
        if !keys.is_sorted_by(|a, b| a.key < b.key) {
            return Err(ListRefused::Entries);
        }
        let held: usize = before.iter().map(|piece| piece.body().entries.len()).sum();
        if held.saturating_add(body.entries.len()) > DENY_LIST_ENTRIES_MAX {
            return Err(ListRefused::Entries);
        }

        Ok(())
    }

    /// Takes the piece that is next; the version is used once it is the last.
    fn take(&mut self, piece: Signed<DenyListPiece>) -> Changed {
        let (provider, pieces) = (piece.body().provider, usize::from(piece.body().pieces));
        if piece.body().piece == 0 {
            self.gathering.clear();
        }
        self.gathering.push(piece);
        if self.gathering.len() < pieces {
            return Changed::Gathering(provider);
        }
        let before: BTreeMap<PublicKey, ListVersion> = self.entries().collect();
        self.whole = std::mem::take(&mut self.gathering);
        let version = self.version();
        let keys = self
            .whole
            .iter()
            .flat_map(|piece| piece.body().entries.iter());
        self.since = keys
            .map(|entry| before.get(&entry.key).copied().unwrap_or(version))
            .collect();

        Changed::Whole(provider)
    }

    /// Tells whether what was stored fits together.
    fn is_consistent(&self) -> bool {
        let entries: usize = self
            .whole
            .iter()
            .map(|piece| piece.body().entries.len())
            .sum();

        entries == self.since.len()
            && self.whole.len() <= PIECES_MAX
            && self.gathering.len() <= PIECES_MAX
    }
}

fn version_of(pieces: &[Signed<DenyListPiece>]) -> Option<ListVersion> {
    pieces.first().map(|piece| piece.body().version)
}

/// Returns how many pieces of a version another device has, or all when it wants none.
fn first_missing(version: ListVersion, held: Option<&HeldList>, all: usize) -> usize {
    let Some(held) = held else {
        return 0;
    };
    if held.version >= version {
        return all;
    }
    match held.gathering {
        Some(gathering) if gathering.version == version => usize::from(gathering.next),
        Some(gathering) if gathering.version > version => all,
        Some(_) | None => 0,
    }
}
