//! Deny-lists in and out by file, where servers do not reach each other.

use ops_proto::message::{DenyListPiece, ListsHeld, ListsQuery, ListsUpdate, PieceId};
use ops_proto::signed::{Signed, decode_canonical, encode};
use serde::Serialize;

use super::attempts::Attempts;
use super::{AdminError, Office};
use crate::provider::Provider;
use crate::refusal::Refusal;
use crate::service::{Desk, ListsIn, ListsOut, Stop};
use crate::store::{StoreError, Unit};
use crate::writer::now;

/// What a file of lists brought.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListsImported {
    /// Pieces that were taken in, or known.
    pub taken: usize,
    /// Pieces that the list keys in our directory did not sign.
    pub refused: usize,
}

impl Office {
    /// Takes in deny-lists from a file that [`Office::export_lists`] wrote elsewhere, as far as the list
    /// keys in our directory signed them.
    ///
    /// # Errors
    ///
    /// [`ListsError`] when the file holds none, or the books cannot be written.
    pub async fn import_lists(&mut self, bytes: &[u8]) -> Result<ListsImported, ListsError> {
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_import_lists(bytes).await;
            if !attempts.again(tried.as_ref().err().and_then(ListsError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_import_lists(&mut self, bytes: &[u8]) -> Result<ListsImported, ListsError> {
        let pages: Vec<ListsUpdate> = decode_canonical(bytes).map_err(|_| ListsError::NoLists)?;
        let provider = Provider::load(&self.data).map_err(AdminError::File)?;
        let mut unit = self.store.begin().await?;
        let mut imported = ListsImported {
            taken: 0,
            refused: 0,
        };
        for page in pages {
            let all = page.pieces.len();
            let lists = ListsIn::check(page, &provider);
            let refused = lists.refused();
            imported.refused = imported.refused.saturating_add(refused);
            imported.taken = imported.taken.saturating_add(all.saturating_sub(refused));
            lists
                .apply(&mut desk(&mut unit, &provider))
                .await
                .map_err(of)?;
        }
        unit.commit().await?;

        Ok(imported)
    }

    /// Returns every deny-list that is served here, for [`Office::import_lists`] elsewhere.
    ///
    /// # Errors
    ///
    /// [`ListsError`] when the books cannot be read or written.
    pub async fn export_lists(&mut self) -> Result<Vec<u8>, ListsError> {
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_export_lists().await;
            if !attempts.again(tried.as_ref().err().and_then(ListsError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_export_lists(&mut self) -> Result<Vec<u8>, ListsError> {
        let provider = Provider::load(&self.data).map_err(AdminError::File)?;
        let mut unit = self.store.begin().await?;
        let mut pages: Vec<ListsUpdate> = Vec::new();
        let mut after = None;
        loop {
            let query = ListsQuery {
                held: ListsHeld::default(),
                after,
            };
            let mut desk = desk(&mut unit, &provider);
            let page = ListsOut::new(query).update(&mut desk).await.map_err(of)?;
            after = page.pieces.last().map(id);
            let more = page.more;
            pages.push(page);
            if !more {
                break;
            }
        }
        unit.commit().await?;

        Ok(encode(&pages))
    }
}

fn id(piece: &Signed<DenyListPiece>) -> PieceId {
    let body = piece.body();

    PieceId {
        provider: body.provider,
        version: body.version,
        piece: body.piece,
    }
}

fn desk<'d, 's>(unit: &'d mut Unit<'s>, provider: &'d Provider) -> Desk<'d, 's> {
    Desk {
        unit,
        provider,
        now: now(),
    }
}

fn of(stop: Stop) -> ListsError {
    match stop {
        Stop::Store(error) => error.into(),
        Stop::Refused(refusal) | Stop::Convicted(_, refusal) => ListsError::Refused(refusal),
    }
}

/// Lists were not taken in or written out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// A file or the books cannot be used.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file holds no lists.
    #[error("the file holds no deny-lists: `blepay-server lists export` writes one")]
    NoLists,
    /// The books refuse.
    #[error(transparent)]
    Refused(Refusal),
}

impl ListsError {
    /// Returns why the books were not read or written, if it is that.
    const fn of_books(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            return Some(error);
        }

        None
    }
}
