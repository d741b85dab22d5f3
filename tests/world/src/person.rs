//! A person with a device: what it stands on outlives its deaths.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use journal::Journal;
use radio::memory::{MemoryAir, MemoryRadio};
use runtime::shutdown::Shutdown;
use sync::Sync;
use sync::connectivity;
use ta_sim::Ta;
use tokio::sync::watch;
use wallet::identity::Identity;
use wallet::lists::Lists;
use wallet::ta::{AnyTa, TaConnector, TaUnreachable};
use wallet::{Wallet, WalletParts};

use crate::disk;
use crate::executor::Node;
use crate::money::Money;
use crate::rng::Rng;
use crate::slots::{Slots, TaEntropy};
use crate::world::World;

/// The largest sum of a day that a device pays to scanned URIs without asking.
pub(crate) const SCAN_DAILY_MAX: Money = Money(5_000);

/// Whether somebody's device has a trusted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    /// It has one.
    Ta,
    /// It has none: it can only be paid.
    NoTa,
}

/// Somebody.
pub(crate) struct Person {
    /// The name that everybody sees.
    pub(crate) name: &'static str,
    /// The node of the device.
    pub(crate) node: Node,
    /// Whether there is a trusted application.
    pub(crate) has: Has,
    dir: PathBuf,
    slots: RefCell<Slots>,
    entropy: Cell<u64>,
    device: RefCell<Option<Device>>,
    /// What the journal held when the device died.
    held: RefCell<BTreeSet<String>>,
    /// What of that was not on the disk.
    lost: RefCell<Vec<String>>,
}

/// A device that runs. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) wallet: Wallet,
    pub(crate) sync: Sync,
    _uses_ta: Rc<watch::Sender<bool>>,
}

impl Person {
    pub(crate) fn new(
        name: &'static str,
        number: u32,
        has: Has,
        dir: &Path,
        schedule: u64,
    ) -> Self {
        let purpose = u64::from(number).saturating_add(100);
        let mut dice = Rng::for_purpose(schedule, purpose);

        Self {
            name,
            node: Node(number),
            has,
            dir: dir.join(name),
            slots: RefCell::new(Slots::new()),
            entropy: Cell::new(dice.next()),
            device: RefCell::new(None),
            held: RefCell::default(),
            lost: RefCell::default(),
        }
    }

    /// Returns the device, if it runs.
    pub(crate) fn device(&self) -> Option<Device> {
        self.device.borrow().clone()
    }

    /// Returns what a journal had answered and was not on the disk when the device started again.
    pub(crate) fn lost(&self) -> Vec<String> {
        self.lost.borrow().clone()
    }

    /// Replaces the trusted application by a new one, which holds nothing.
    pub(crate) fn replace_ta(&self) {
        *self.slots.borrow_mut() = Slots::new();
    }

    /// Starts the device from its disk, unless it runs.
    pub(crate) async fn start(&self, world: &Rc<World>, air: &MemoryAir) -> anyhow::Result<()> {
        if self.device.borrow().is_some() {
            return Ok(());
        }
        let device = world.at(self.node, self.boot(air)).await;
        let device = device.with_context(|| format!("{}'s device does not start", self.name))?;
        *self.device.borrow_mut() = Some(device);

        Ok(())
    }

    /// Ends the device where it stands.
    pub(crate) fn kill(&self, world: &World) {
        let device = self.device.borrow_mut().take();
        if let Some(device) = &device {
            *self.held.borrow_mut() = disk::held(device.wallet.journal());
        }
        self.slots.borrow().lose_unsynced();
        world.executor.kill(self.node);
        world.at_once(self.node, || drop(device));
    }

    async fn boot(&self, air: &MemoryAir) -> anyhow::Result<Device> {
        std::fs::create_dir_all(&self.dir)?;
        let journal = Journal::open(&self.dir)?;
        let on_disk = disk::held(&journal);
        let lost = self.held.take();
        let lost = lost.difference(&on_disk).cloned();
        self.lost.borrow_mut().extend(lost);
        let shutdown = Shutdown::new();
        let radio =
            MemoryRadio::start(air.clone(), self.node.0, &shutdown.tasks(), shutdown.stop());
        let parts = WalletParts {
            journal,
            identity: Identity::open(&self.dir)?,
            ta: match self.has {
                Has::Ta => Some(self.connector()),
                Has::NoTa => None,
            },
            lists: Lists::open(&self.dir)?,
            radio: Arc::new(radio),
            shutdown: shutdown.clone(),
            scan_daily_max: Some(SCAN_DAILY_MAX.amount()),
        };
        let wallet = Wallet::start(parts).await?;
        let uses_ta = watch::Sender::new(self.has == Has::Ta);
        let uses = uses_ta.subscribe();
        let sync = Sync::start(wallet.clone(), uses, connectivity::never(), &shutdown);

        Ok(Device {
            wallet,
            sync,
            _uses_ta: Rc::new(uses_ta),
        })
    }

    fn connector(&self) -> TaConnector {
        let slots = self.slots.borrow().clone();
        let mut dice = Rng::new(self.entropy.get());
        self.entropy.set(dice.next());

        TaConnector::new(move || {
            let entropy = TaEntropy(Rng::new(dice.next()));
            let ta = Ta::open(slots.clone(), entropy);
            let ta = ta.map_err(|refused| TaUnreachable(refused.to_string()))?;
            let ta: Box<dyn AnyTa> = Box::new(ta);

            Ok(ta)
        })
    }
}
