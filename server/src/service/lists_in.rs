//! Deny-lists of other providers come in: from their servers, or from a file.

use ops_proto::limits::{DENY_LIST_ENTRIES_MAX, DENY_PIECE_ENTRIES_MAX};
use ops_proto::message::{DenyListPiece, ListVersion, ListsUpdate};
use ops_proto::signed::Signed;

use super::{Desk, Stop};
use crate::provider::Provider;

/// Pieces of a list that is as long as it may be.
const PIECES_MAX: usize = DENY_LIST_ENTRIES_MAX.div_ceil(DENY_PIECE_ENTRIES_MAX);

/// Pieces that the directory's list keys signed.
#[derive(Debug)]
pub(crate) struct ListsIn {
    pieces: Vec<Signed<DenyListPiece>>,
    refused: usize,
}

impl ListsIn {
    pub(super) const fn weight(&self) -> usize {
        self.pieces.len()
    }

    /// Keeps what the list key in our directory signed, in its epoch; our own list is ours to make.
    pub(crate) fn check(update: ListsUpdate, provider: &Provider) -> Self {
        let all = update.pieces.into_vec();
        let before = all.len();
        let pieces: Vec<_> = all
            .into_iter()
            .filter(|piece| is_genuine(piece, provider))
            .collect();

        Self {
            refused: before.saturating_sub(pieces.len()),
            pieces,
        }
    }

    /// Returns how many pieces were not kept.
    pub(crate) const fn refused(&self) -> usize {
        self.refused
    }

    /// Stores the pieces. A version is used once it is whole. The answer is empty.
    pub(crate) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        for piece in &self.pieces {
            let body = piece.body();
            let (provider, version) = (&body.provider, body.version);
            if version <= at.unit.list_version(provider).await? {
                continue;
            }
            at.unit.put_piece(piece).await?;
            let there = at.unit.piece_count(provider, version).await?;
            if there < i64::from(body.pieces) {
                // Of those that are not whole only the newest is kept.
                at.unit.drop_unfinished_pieces(provider, version).await?;
                continue;
            }
            at.unit.set_list_version(provider, version).await?;
            at.unit.note_denied(provider, version).await?;
            at.unit.drop_older_pieces(provider, version).await?;
            tracing::info!(%provider, ?version, "Took in a deny-list");
        }

        Ok(Vec::new())
    }
}

fn is_genuine(piece: &Signed<DenyListPiece>, provider: &Provider) -> bool {
    let body = piece.body();
    let Some(directory) = provider.directory() else {
        return false;
    };
    let entry = directory
        .body()
        .providers
        .iter()
        .find(|entry| entry.provider == body.provider && entry.epoch == body.version.epoch);

    body.provider != provider.id()
        && body.version > ListVersion::default()
        && body.piece < body.pieces
        && usize::from(body.pieces) <= PIECES_MAX
        && entry.is_some_and(|entry| piece.verify(&entry.list_key).is_ok())
}
