//! Deny-lists: ours is signed when somebody asks for a version that is not, everybody's are served.

use std::cmp::Ordering;

use ops_proto::ProviderId;
use ops_proto::limits::{DENY_PIECE_ENTRIES_MAX, LISTS_UPDATE_PIECES_MAX};
use ops_proto::list::List;
use ops_proto::message::{DenyEntry, DenyListPiece, ListVersion, ListsQuery, ListsUpdate, PieceId};
use ops_proto::signed::{Signed, decode_canonical, encode};

use super::{Desk, Stop, malformed, refuse};
use crate::refusal::{Code, Refusal};

/// What a device holds.
#[derive(Debug)]
pub(crate) struct Query(ListsQuery);

pub(super) fn prepare(body: &[u8]) -> Result<Query, Refusal> {
    decode_canonical(body).map(Query).map_err(malformed)
}

impl Query {
    pub(crate) const fn new(query: ListsQuery) -> Self {
        Self(query)
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        self.update(at).await.map(|update| encode(&update))
    }

    /// Returns what is newer than what is held.
    pub(crate) async fn update(&self, at: &mut Desk<'_, '_>) -> Result<ListsUpdate, Stop> {
        let Self(query) = self;
        sign_ours(at).await?;
        let directory = at
            .provider
            .directory()
            .filter(|directory| directory.body().version > query.held.root)
            .cloned();
        let mut pieces: Vec<Signed<DenyListPiece>> = Vec::new();
        let mut more = false;
        for (provider, version) in at.unit.list_versions().await? {
            let Some(from) = self.first_wanted(provider, version) else {
                continue;
            };
            // One more than fits tells whether there is more.
            let room = LISTS_UPDATE_PIECES_MAX.saturating_sub(pieces.len());
            let limit = i64::try_from(room.saturating_add(1)).unwrap_or(i64::MAX);
            let mut wanted = at.unit.pieces(&provider, version, from, limit).await?;
            more |= wanted.len() > room;
            wanted.truncate(room);
            pieces.append(&mut wanted);
        }
        let pieces = List::try_from(pieces).map_err(|error| refuse(Code::Internal, error))?;

        Ok(ListsUpdate {
            directory,
            pieces,
            more,
        })
    }

    /// Returns the number of the first piece of a list that the device wants, if it wants any.
    fn first_wanted(&self, provider: ProviderId, version: ListVersion) -> Option<i64> {
        let Self(query) = self;
        let mut held = query.held.providers.iter();
        if held.any(|list| list.provider == provider && list.version >= version) {
            return None;
        }
        let Some(PieceId {
            provider: last,
            version: of,
            piece,
        }) = query.after
        else {
            return Some(0);
        };
        match last.cmp(&provider) {
            Ordering::Less => Some(0),
            // A version that replaced the one it was reading begins anew.
            Ordering::Equal if of != version => Some(0),
            Ordering::Equal => Some(i64::from(piece).saturating_add(1)),
            Ordering::Greater => None,
        }
    }
}

/// Signs our newest version, unless it is signed.
async fn sign_ours(at: &mut Desk<'_, '_>) -> Result<(), Stop> {
    let ours = at.provider.id();
    let mut version = at.unit.list_version(&ours).await?;
    if version == ListVersion::default() {
        return Ok(());
    }
    let epoch = at.provider.list_epoch();
    if version.epoch < epoch {
        // The list key changed: the same list under the new one.
        version = ListVersion {
            epoch,
            number: version.number.saturating_add(1),
        };
        at.unit.set_list_version(&ours, version).await?;
    }
    if at.unit.piece_count(&ours, version).await? > 0 {
        return Ok(());
    }
    let entries = at.unit.deny_entries().await?;
    for piece in cut(ours, version, &entries, at.now)? {
        let piece = at.provider.sign_list(piece);
        at.unit.put_piece(&piece).await?;
    }

    Ok(at.unit.drop_older_pieces(&ours, version).await?)
}

/// Cuts a list into pieces, of which there is one at least.
fn cut(
    provider: ProviderId,
    version: ListVersion,
    entries: &[DenyEntry],
    issued: ops_proto::Time,
) -> Result<Vec<DenyListPiece>, Stop> {
    let full: Vec<&[DenyEntry]> = if entries.is_empty() {
        vec![&[]]
    } else {
        entries.chunks(DENY_PIECE_ENTRIES_MAX).collect()
    };
    let too_long = |_| refuse(Code::Internal, "the deny-list is too long");
    let count = u16::try_from(full.len()).map_err(too_long)?;

    (0..count)
        .zip(full)
        .map(|(piece, entries)| {
            Ok(DenyListPiece {
                provider,
                version,
                piece,
                pieces: count,
                issued,
                entries: List::try_from(entries.to_vec())
                    .map_err(|error| refuse(Code::Internal, error))?,
            })
        })
        .collect()
}
