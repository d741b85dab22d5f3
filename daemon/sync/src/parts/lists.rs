//! Newer deny-lists, from the server to the device; from there they go on from device to device.

use ble_proto::gossip::GossipItem;
use ops_proto::message::{ListsQuery, ListsUpdate, PieceId};
use ops_proto::signed::{decode_canonical, encode};
use wallet::lists::Heard;

use crate::context::Context;
use crate::error::SyncError;

/// Answers that one run takes: every piece of every list fits.
const ROUNDS_MAX: u32 = 64;

/// Asks for newer lists until there are none; returns how many parts were new.
pub(crate) async fn fetch(cx: &Context) -> Result<u64, SyncError> {
    let known = cx.journal().view(|book| {
        let enrolled = book.enrolled()?;
        Some((enrolled.root, enrolled.provider.body().provider))
    });
    let Some((root, own)) = known else {
        return Ok(0);
    };
    let lists = cx.wallet.lists();
    let mut after = None;
    let mut kept = 0_u64;
    for _round in 0..ROUNDS_MAX {
        let query = ListsQuery {
            held: lists.held(Some(own)),
            after,
        };
        let answer = cx.server.post("/v1/lists", encode(&query)).await?;
        let update: ListsUpdate = decode_canonical(&answer)
            .map_err(|_| SyncError::NotBelieved("the deny-lists do not decode"))?;
        after = update.pieces.last().map(|piece| {
            let body = piece.body();
            PieceId {
                provider: body.provider,
                version: body.version,
                piece: body.piece,
            }
        });
        let directory = update
            .directory
            .map(|directory| GossipItem::Directory(Box::new(directory)));
        let pieces = update.pieces.into_vec().into_iter();
        let pieces = pieces.map(|piece| GossipItem::Piece(Box::new(piece)));
        for item in directory.into_iter().chain(pieces) {
            match lists.hear(root, item).await {
                Heard::Kept(_) => kept = kept.saturating_add(1),
                Heard::Known => {}
                Heard::Refused(_) => {
                    return Err(SyncError::NotBelieved("a deny-list breaks its rules"));
                }
            }
        }
        if !update.more || after.is_none() {
            break;
        }
    }

    Ok(kept)
}
