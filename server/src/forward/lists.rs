//! Deny-lists of other providers are fetched from their servers by the clock.

use std::sync::Arc;
use std::time::Duration;

use ops_proto::limits::LISTS_HELD_MAX;
use ops_proto::list::List;
use ops_proto::message::{ListsHeld, ListsQuery, ListsUpdate, PieceId, ProviderList};
use ops_proto::signed::{decode_canonical, encode};
use tokio_util::sync::CancellationToken;

use super::client::{Client, PeerError};
use crate::provider::Provider;
use crate::service::{ListsIn, Order};
use crate::store::{PeerRow, Store, StoreAddress, StoreError};
use crate::writer::Writer;

/// How often other providers are asked.
const INTERVAL: Duration = Duration::from_secs(300);

/// Answers of one provider that are taken at a time: more than a full set of lists has.
const PAGES_MAX: usize = 100;

/// Fetches lists at the start, and then by the clock.
#[derive(Debug)]
pub(crate) struct ListFetcher {
    address: StoreAddress,
    provider: Arc<Provider>,
    writer: Writer,
    stop: CancellationToken,
}

impl ListFetcher {
    pub(crate) const fn new(
        address: StoreAddress,
        provider: Arc<Provider>,
        writer: Writer,
        stop: CancellationToken,
    ) -> Self {
        Self {
            address,
            provider,
            writer,
            stop,
        }
    }

    /// Runs until the server stops.
    pub(crate) async fn run(self) {
        loop {
            // What is cut off is fetched again: a list is used once it is whole.
            tokio::select! {
                biased; // a stop is never kept waiting
                () = self.stop.cancelled() => return,
                result = self.round() => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "Whose deny-lists to fetch cannot be read");
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let mut store = Store::open(&self.address).await?;
        let mut unit = store.begin_reading().await?;
        let peers = unit.peers().await?;
        let mut held = Vec::new();
        for (provider, version) in unit.list_versions().await? {
            held.push(ProviderList { provider, version });
        }
        drop(unit);
        store.close().await?;
        // Who may name only some names those whose lists are longest known.
        held.truncate(LISTS_HELD_MAX);
        for peer in peers {
            if let Err(error) = self.fetch(&peer, &held).await {
                tracing::info!(peer = peer.name, %error, "Deny-lists were not fetched");
            }
        }

        Ok(())
    }

    async fn fetch(&self, peer: &PeerRow, held: &[ProviderList]) -> Result<(), PeerError> {
        let client = Client::new(peer, *self.provider.root(), Vec::new())?;
        let mut query = ListsQuery {
            held: ListsHeld {
                root: self
                    .provider
                    .directory()
                    .map_or_else(Default::default, |directory| directory.body().version),
                providers: List::try_from(held.to_vec()).unwrap_or_default(),
            },
            after: None,
        };
        for _ in 0..PAGES_MAX {
            let bytes = client.ask_unsigned("/v1/lists", encode(&query)).await?;
            let update: ListsUpdate = decode_canonical(&bytes)
                .map_err(|_| PeerError::Other("its deny-lists do not decode"))?;
            let last = update.pieces.last().map(|piece| PieceId {
                provider: piece.body().provider,
                version: piece.body().version,
                piece: piece.body().piece,
            });
            let more = update.more && last > query.after;
            query.after = last;
            let lists = ListsIn::check(update, &self.provider);
            if lists.refused() > 0 {
                tracing::info!(
                    peer = peer.name,
                    refused = lists.refused(),
                    "Pieces of deny-lists are not signed as our directory says"
                );
            }
            self.writer
                .book(Order::ListsIn(lists))
                .await
                .map_err(|refusal| PeerError::NotBooked(refusal.message))?;
            if !more {
                break;
            }
        }

        Ok(())
    }
}
