//! What scans and connections share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::presence::Adapters;
use crate::{PeerAddress, limits};

/// What scans and connections know of each other.
pub(super) struct Shared {
    pub(super) adapters: Adapters,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Where the peers of scans are to be found.
    pub(super) peers: Peers,
    /// How many connections want the scan to pause.
    pub(super) pauses: watch::Sender<usize>,
    /// Whether the adapter scans for us.
    pub(super) scanning: watch::Sender<bool>,
    /// Who is being disconnected.
    pub(super) leaving: Leaving,
    /// The one turn to connect.
    pub(super) connect_turn: Semaphore,
}

/// The peers heard, newest kept.
#[derive(Default)]
pub(super) struct Peers(Mutex<BTreeMap<PeerAddress, Peer>>);

struct Peer {
    heard: Instant,
    /// `None` when forgotten, until heard again.
    peripheral: Option<btleplug::platform::Peripheral>,
    was_forgotten: bool,
}

impl Peers {
    pub(super) fn heard(&self, peer: PeerAddress, peripheral: btleplug::platform::Peripheral) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_forgotten = peers.get(&peer).is_some_and(|known| known.was_forgotten);
        let known = Peer {
            heard: Instant::now(),
            peripheral: Some(peripheral),
            was_forgotten,
        };
        peers.insert(peer, known);
        if peers.len() > limits::PEERS_MAX {
            let oldest = peers
                .iter()
                .min_by_key(|(_peer, known)| known.heard)
                .map(|(peer, _)| peer.clone());
            if let Some(oldest) = oldest {
                peers.remove(&oldest);
            }
        }
    }

    /// Forgets a peer until it is heard again; `false` when that was done before.
    pub(super) fn forget(&self, peer: &PeerAddress) -> bool {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = peers.get_mut(peer) else {
            return false;
        };
        let is_first = !known.was_forgotten;
        known.was_forgotten = true;
        known.peripheral = None;

        is_first
    }

    /// Notes that a peer is as it should be: it may be forgotten again.
    pub(super) fn is_fine(&self, peer: &PeerAddress) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = peers.get_mut(peer) {
            known.was_forgotten = false;
        }
    }

    pub(super) fn find(&self, peer: &PeerAddress) -> Option<btleplug::platform::Peripheral> {
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        peers.get(peer).and_then(|known| known.peripheral.clone())
    }
}

/// The peers that are being disconnected, which BlueZ takes two seconds for.
#[derive(Default)]
pub(super) struct Leaving(watch::Sender<Vec<PeerAddress>>);

impl Leaving {
    /// Counts the peer among them until the guard is dropped.
    pub(super) fn enter<'a>(&'a self, peer: &'a PeerAddress) -> LeavingGuard<'a> {
        self.0.send_modify(|peers| peers.push(peer.clone()));

        LeavingGuard {
            leaving: self,
            peer,
        }
    }

    /// Returns once the peer is not among them.
    pub(super) async fn wait_for(&self, peer: &PeerAddress) {
        let mut peers = self.0.subscribe();
        // The sender is ours.
        drop(peers.wait_for(|peers| !peers.contains(peer)).await);
    }
}

/// A peer that is being disconnected.
pub(super) struct LeavingGuard<'a> {
    leaving: &'a Leaving,
    peer: &'a PeerAddress,
}

impl Drop for LeavingGuard<'_> {
    fn drop(&mut self) {
        self.leaving.0.send_modify(|peers| {
            if let Some(index) = peers.iter().position(|peer| peer == self.peer) {
                peers.swap_remove(index);
            }
        });
    }
}
