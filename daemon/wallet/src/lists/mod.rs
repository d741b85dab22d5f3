//! Deny-lists on this device: heard from the server and from other devices, checked alike, kept on disk.
//!
//! ```text
//!  sync ──┐ hear(item)                                  ┌► Denied: whom nobody may pay or be paid by
//!         ├───────────► lists thread: signature, order, ┤
//!  gossip ┘             version, fsync ─► Shelf         └► holding, held, missing: what is passed on
//! ```
//!
//! They stop new requests and payments. They never stop what concerns money that is under way: collect,
//! claim, report, withdrawal and receipt do not ask them.

mod files;
mod heard;
mod shelf;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ble_proto::gossip::{Denied, GossipItem, Holding};
use ops_proto::message::{DenyListPiece, ListsHeld};
use ops_proto::{ProviderId, PublicKey, Signed};
use tokio::sync::{mpsc, oneshot, watch};

use files::Files;
pub use heard::{Changed, Heard, ListRefused};
pub use shelf::ListView;
use shelf::Shelf;

/// Things that wait for the lists' thread; what comes beyond is not taken, and comes again.
pub const CALLS_QUEUED_MAX: usize = 64;

/// The folder of the lists, in the state directory.
pub const LISTS_FOLDER: &str = "lists";

/// The way to the deny-lists. Cloning it is cheap; their thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Lists {
    calls: mpsc::Sender<ListCall>,
    shelf: Arc<RwLock<Shelf>>,
    denied: watch::Receiver<Denied>,
}

/// Something heard, and who waits for what becomes of it.
#[derive(Debug)]
struct ListCall {
    root: PublicKey,
    item: GossipItem,
    done: oneshot::Sender<Heard>,
}

impl Lists {
    /// Reads the lists of a state directory and starts their thread. What cannot be read is left out: it
    /// is fetched again.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, or the system gives no thread.
    pub fn open(state_dir: &Path) -> std::io::Result<Self> {
        let files = Files::open(&state_dir.join(LISTS_FOLDER))?;
        let shelf = Arc::new(RwLock::new(files.read_all()));
        let (calls, queue) = mpsc::channel(CALLS_QUEUED_MAX);
        let (denied_in, denied) = watch::channel(read(&shelf).denied());
        let held = Arc::clone(&shelf);
        host::task::thread("lists", run(queue, held, files, denied_in))?;

        Ok(Self {
            calls,
            shelf,
            denied,
        })
    }

    /// Checks a directory or piece and keeps it; it is on disk when this returns.
    pub async fn hear(&self, root: PublicKey, item: GossipItem) -> Heard {
        let (done, heard) = oneshot::channel();
        if self.calls.try_send(ListCall { root, item, done }).is_err() {
            return Heard::Known;
        }

        heard.await.unwrap_or(Heard::Known)
    }

    /// Returns what this device holds, as it tells another device.
    #[must_use]
    pub fn holding(&self) -> Holding {
        read(&self.shelf).holding()
    }

    /// Returns what this device holds, as it states it in requests: the own provider's list first.
    #[must_use]
    pub fn held(&self, own: Option<ProviderId>) -> ListsHeld {
        read(&self.shelf).held(own)
    }

    /// Returns what another device lacks, in the order in which it can be taken, as much as one visit
    /// carries.
    #[must_use]
    pub fn missing(&self, theirs: &Holding) -> Vec<GossipItem> {
        read(&self.shelf).missing(theirs)
    }

    /// Returns the pieces that are held of one provider's list, as that provider signed them.
    #[must_use]
    pub fn pieces(&self, provider: ProviderId) -> Vec<Signed<DenyListPiece>> {
        read(&self.shelf).pieces(provider)
    }

    /// Returns whom the lists revoke; a watch.
    #[must_use]
    pub fn denied(&self) -> watch::Receiver<Denied> {
        self.denied.clone()
    }

    /// Returns the lists as people see them: the directory's version and each provider's list.
    #[must_use]
    pub fn view(&self) -> Vec<ListView> {
        read(&self.shelf).view()
    }
}

fn read(shelf: &RwLock<Shelf>) -> RwLockReadGuard<'_, Shelf> {
    shelf.read().unwrap_or_else(PoisonError::into_inner)
}

/// The lists' thread: checks, keeps and writes, one thing after the other.
async fn run(
    mut queue: mpsc::Receiver<ListCall>,
    shelf: Arc<RwLock<Shelf>>,
    files: Files,
    denied: watch::Sender<Denied>,
) {
    while let Some(ListCall { root, item, done }) = queue.recv().await {
        let mut next = read(&shelf).clone();
        let heard = next.hear(&root, item);
        match &heard {
            Heard::Kept(changed) => {
                if let Err(error) = files.write(&next, *changed) {
                    tracing::warn!(%error, "A deny-list cannot be written; it is fetched again");
                }
                let revokes = changed.revokes();
                *shelf.write().unwrap_or_else(PoisonError::into_inner) = next;
                if revokes {
                    denied.send_replace(read(&shelf).denied());
                }
            }
            Heard::Known => {}
            Heard::Refused(reason) => tracing::info!(%reason, "Refused a part of a deny-list"),
        }
        let _nobody_waits = done.send(heard);
    }
}
