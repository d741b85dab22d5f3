//! The payee's driver: one loop for the machine, its links, its records and its credits.
//!
//! ```text
//!  commands ─┐                       ┌─► peripheral (one sender task per link)
//!  radio ────┼─► ble_proto::Payee ───┼─► journal: Append ─► handle_synced
//!  deadline ─┘        ▲              └─► TA or client key: Credit ─► handle_credited
//!                     └────────────────────────┘
//! ```

mod credit;
mod links;
mod open;
mod records;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;

use ble_proto::durable::RecordNumber;
use ble_proto::frame::ChunkSize;
use ble_proto::gatt::RequestTag;
use ble_proto::gossip::GossipItem;
use ble_proto::info::Info;
use ble_proto::limits::REQUESTS_MAX;
use ble_proto::payment::payee::{
    CreditAnswer, CreditId, LinkId, OpenRefused, OpenRequest, Payee, PayeeEffect, PayeeRecord,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use ops_proto::RequestId;
use radio::{Peripheral, PeripheralEvent, RadioError, limits::ADVERTISED_TAGS_MAX};
use runtime::clock;
use tokio::sync::mpsc;

use super::serve::PayeeCommand;
use super::{Shared, WalletEvent};
use crate::lists::Heard;
use links::Links;
use open::ShownStanding;
use tally::Strangers;

pub(super) use credit::collect_pending;

// the machine decides which link makes room, and so must hear of one more than it takes
const _: () = assert!(radio::limits::LINKS_MAX > ble_proto::limits::LINKS_MAX);

/// How long until a radio that would not serve is asked again, and expired requests are looked for.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);

/// Runs until the stop. Begins to serve once there is a request to serve.
pub(super) async fn run(shared: Arc<Shared>, mut commands: mpsc::Receiver<PayeeCommand>) {
    let stop = shared.shutdown.stop();
    let root = tokio::select! {
        biased; // a stop is never starved
        () = stop.cancelled() => return,
        root = shared.root() => root,
    };
    let mut driver = PayeeDriver {
        machine: Payee::new(root),
        links: Links::default(),
        peripheral: None,
        strangers: Strangers::default(),
        order: Vec::new(),
        followed: None,
        appends: FuturesOrdered::new(),
        credits: FuturesUnordered::new(),
        gossip: FuturesOrdered::new(),
        shared,
    };
    let mut denied = driver.shared.lists.denied();
    driver
        .machine
        .set_denied(denied.borrow_and_update().clone());
    driver.reopen();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        driver.perform().await;

        let deadline = driver.machine.poll_timeout().map(clock::deadline);
        // Every branch is cancel safe: queues, timers and futures that are kept.
        tokio::select! {
            biased; // a stop is never starved by a chatty peer
            () = stop.cancelled() => return driver.strangers.tell_all(),
            Some(number) = driver.appends.next(), if !driver.appends.is_empty() => {
                driver.machine.handle_synced(number, clock::monotonic());
            }
            Some((credit, answer)) = driver.credits.next(), if !driver.credits.is_empty() => {
                driver.machine.handle_credited(credit, answer, clock::monotonic());
            }
            Some((link, heard)) = driver.gossip.next(), if !driver.gossip.is_empty() => {
                if let Heard::Refused(_) = heard {
                    driver.machine.handle_gossip_refused(link);
                }
            }
            Ok(()) = denied.changed() => {
                driver.machine.set_denied(denied.borrow_and_update().clone());
            }
            Some(command) = commands.recv() => driver.handle_command(command),
            event = next_event(&mut driver.peripheral) => match event {
                Some(event) => driver.handle_event(event),
                None => return,
            },
            () = sleep_until(deadline) => driver.machine.handle_timeout(clock::monotonic()),
            _tick = ticks.tick() => driver.tick().await,
        }
    }
}

/// A request that the machine shows.
#[derive(Clone, Copy, Debug)]
struct ShownRequest {
    tag: RequestTag,
    id: RequestId,
    /// When its validity ends, by the wall clock.
    until: ops_proto::Time,
    standing: ShownStanding,
}

/// The state of the book when it was last compared with the air, and how long that comparison holds.
#[derive(Clone, Copy, Debug)]
struct Followed {
    /// The newest fact.
    newest: journal::Seq,
    /// By the wall clock.
    at: ops_proto::Time,
    /// When the first request expires.
    until: Option<ops_proto::Time>,
}

struct PayeeDriver {
    shared: Arc<Shared>,
    machine: Payee,
    links: Links,
    peripheral: Option<Peripheral>,
    strangers: Strangers,
    /// Requests that are shown, oldest first.
    order: Vec<ShownRequest>,
    followed: Option<Followed>,
    appends: FuturesOrdered<BoxFuture<'static, RecordNumber>>,
    credits: FuturesUnordered<BoxFuture<'static, (CreditId, CreditAnswer)>>,
    /// Deny-lists that payers passed on, on their way through the lists' thread.
    gossip: FuturesOrdered<BoxFuture<'static, (LinkId, Heard)>>,
}

impl PayeeDriver {
    /// Takes up every key that payments may come for, what is open, and what was paid just before the start.
    fn reopen(&mut self) {
        for own in self.shared.journal.view(open::keys) {
            if let Err(error) = self.machine.add_own_key(own) {
                tracing::warn!(%error, "A key of this device is not served");
            }
        }
        let _nothing_is_advertised_yet = self.follow_book();
        let room = REQUESTS_MAX.saturating_sub(self.order.len());
        let paid = self
            .shared
            .journal
            .view(|book| open::paid_just_now(book, room));
        let open = std::mem::take(&mut self.order);
        for reopened in paid {
            self.serve(reopened);
        }
        // what was paid is older than what is open, in the order that matters here
        self.order.extend(open);
    }

    /// Serves every request that the book calls open, and none that it does not: what is on the air follows from the
    /// book, whatever the clock or a restart did in between.
    ///
    /// Returns whether what is advertised first may be something else now.
    fn follow_book(&mut self) -> bool {
        let (newest, differences) = self
            .shared
            .journal
            .view(|book| (book.newest(), open::differences(book, &self.order)));
        for tag in differences.over {
            self.tell_request(tag);
            self.close(tag);
        }
        for tag in &differences.paid {
            self.mark_paid(*tag);
        }
        for reopened in differences.missing {
            self.make_room();
            self.serve(reopened);
        }
        self.followed = Some(Followed {
            newest,
            at: clock::now(),
            until: self.order.iter().map(|shown| shown.until).min(),
        });

        !differences.paid.is_empty()
    }

    /// Whether the book may say something else than when it was followed last: a fact is new, a request has expired, or the
    /// clock was set back.
    fn is_book_ahead(&self) -> bool {
        let now = clock::now();
        let newest = self.shared.journal.view(journal::Book::newest);
        let is_same = |followed: &Followed| {
            let is_valid = followed.until.is_none_or(|until| now <= until);
            followed.newest == newest && followed.at <= now && is_valid
        };

        !self.followed.as_ref().is_some_and(is_same)
    }

    fn serve(&mut self, reopened: open::Reopened) {
        let open::Reopened { open, standing } = reopened;
        let now = clock::monotonic();
        let shown = open::shown(&open, standing);
        let opened = match standing {
            ShownStanding::Open => self.machine.open_request(open, now),
            ShownStanding::Paid => self.machine.open_paid(open, now),
        };
        match opened {
            Ok(()) => self.order.push(shown),
            Err(error) => {
                tracing::warn!(request = %shown.id, %error, "A request is not advertised");
            }
        }
    }

    fn handle_command(&mut self, command: PayeeCommand) {
        match command {
            PayeeCommand::Open(open, done) => {
                let _caller_gone = done.send(self.open(*open));
            }
            PayeeCommand::Close(tag) => self.close(tag),
            PayeeCommand::Awaited(done) => {
                let _caller_gone = done.send(self.machine.awaited());
            }
        }
    }

    fn open(&mut self, open: OpenRequest) -> Result<(), OpenRefused> {
        let shown = open::shown(&open, ShownStanding::Open);
        let is_same = |other: &ShownRequest| (other.tag, other.id) == (shown.tag, shown.id);
        if self.order.iter().any(is_same) {
            // it was in the journal already when this driver took up what was open
            return Ok(());
        }
        self.make_room();
        self.machine.open_request(open, clock::monotonic())?;
        self.order.push(shown);

        Ok(())
    }

    /// Stops showing the paid request that was opened first, when there is no room for another: its
    /// payer finds the receipt at the next request of this payee, or online.
    fn make_room(&mut self) {
        if self.order.len() < REQUESTS_MAX {
            return;
        }
        let paid = self
            .order
            .iter()
            .find(|shown| shown.standing == ShownStanding::Paid);
        if let Some(tag) = paid.map(|shown| shown.tag) {
            self.close(tag);
        }
    }

    fn close(&mut self, tag: RequestTag) {
        self.order.retain(|shown| shown.tag != tag);
        self.machine.close_request(tag);
    }

    fn handle_event(&mut self, event: PeripheralEvent) {
        let now = clock::monotonic();
        match event {
            PeripheralEvent::LinkUp { link, chunk_max } => {
                let (Ok(chunk), Ok(entropy)) = (ChunkSize::new(chunk_max), super::fresh()) else {
                    tracing::warn!(%link, chunk_max, "A link cannot be served");
                    return;
                };
                if let Some(peripheral) = &self.peripheral {
                    let handle = peripheral.handle();
                    let id = self.links.up(link, handle, &self.shared.shutdown);
                    self.machine.handle_link_up(id, chunk, entropy, now);
                }
            }
            PeripheralEvent::Received { link, bytes } => {
                if let Some(id) = self.links.id(link) {
                    self.machine.handle_frame(id, &bytes, now);
                }
            }
            PeripheralEvent::LinkDown { link } => {
                if let Some(id) = self.links.down(link) {
                    self.machine.handle_link_down(id, now);
                }
            }
        }
    }

    /// Serves if that is wanted and not done yet, and what the book says.
    async fn tick(&mut self) {
        self.strangers.tell_due(clock::monotonic());
        if self.is_book_ahead() && self.follow_book() {
            self.advertise().await;
        }
        self.serve_if_wanted().await;
    }

    async fn serve_if_wanted(&mut self) {
        if self.peripheral.is_some() || self.order.is_empty() {
            return;
        }
        match self
            .shared
            .radio
            .serve(Info::own().as_bytes().to_vec())
            .await
        {
            Ok(peripheral) => {
                self.peripheral = Some(peripheral);
                self.advertise().await;
            }
            Err(RadioError::Stopped) => {}
            Err(error) => tracing::debug!(%error, "The radio does not serve yet"),
        }
    }

    /// Does what the machine asks, in order.
    async fn perform(&mut self) {
        let (mut advertised, mut has_changed) = (None, false);
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                PayeeEffect::Transmit { link, frame } => self.links.transmit(link, frame),
                PayeeEffect::Disconnect { link } => self.links.disconnect(link),
                PayeeEffect::LinkFailed { link, failure } => {
                    self.strangers.failed(link, &failure, clock::monotonic());
                }
                PayeeEffect::Append { number, record } => self.append(number, record),
                PayeeEffect::Credit { credit, pair } => {
                    let shared = Arc::clone(&self.shared);
                    let crediting =
                        async move { (credit, credit::credit(&shared, &pair.hash()).await) };
                    self.credits.push(Box::pin(crediting));
                }
                PayeeEffect::ShowCode { tag, code, .. } => {
                    self.shared.screen().insert(tag, code);
                    self.tell_request(tag);
                }
                PayeeEffect::Locked { tag, .. } => self.tell_request(tag),
                PayeeEffect::Unlocked { tag } => {
                    self.shared.screen().remove(&tag);
                    self.tell_request(tag);
                }
                PayeeEffect::Paid { tag, .. } => {
                    self.shared.screen().remove(&tag);
                    self.mark_paid(tag);
                    // an open one may take its place on the air
                    has_changed = true;
                    self.tell_request(tag);
                }
                PayeeEffect::PaymentRefused { link, reason } => {
                    self.strangers.refused(link, &reason, clock::monotonic());
                }
                PayeeEffect::GossipAsked { link, held } => {
                    let lists = &self.shared.lists;
                    let (items, own) = (lists.missing(&held), lists.holding());
                    let now = clock::monotonic();
                    self.machine.handle_gossip_answer(link, items, own, now);
                }
                PayeeEffect::GossipHeard { link, item } => self.hear(link, item),
                PayeeEffect::Advertise(tags) => advertised = Some(tags),
                PayeeEffect::FloodedUseUri { tag } => {
                    self.replace_flooded(tag);
                }
            }
        }
        // only the last one counts: an earlier one may lack a request that was just opened
        if let Some(tags) = advertised {
            self.order.retain(|shown| tags.contains(&shown.tag));
            has_changed = true;
        }
        if has_changed {
            self.serve_if_wanted().await;
            self.advertise().await;
        }
    }

    fn append(&mut self, number: RecordNumber, record: PayeeRecord) {
        let fact = records::news(&self.shared, &self.machine, record);
        let shared = Arc::clone(&self.shared);
        self.appends.push_back(Box::pin(async move {
            if let Some(fact) = fact {
                shared.append_surely(fact).await;
            }

            number
        }));
    }

    fn hear(&mut self, link: LinkId, item: GossipItem) {
        let shared = Arc::clone(&self.shared);
        self.gossip.push_back(Box::pin(async move {
            let root = shared.root().await;

            (link, shared.lists.hear(root, item).await)
        }));
    }

    /// Has a flooded request replaced by one that only its URI opens; beside this loop, which serves it.
    fn replace_flooded(&self, tag: RequestTag) {
        let shown = self.order.iter().find(|shown| shown.tag == tag);
        if let Some(shown) = shown {
            let replacing = super::flood::run(Arc::clone(&self.shared), shown.id);
            self.shared.shutdown.spawn(replacing);
        }
    }

    fn mark_paid(&mut self, tag: RequestTag) {
        for shown in &mut self.order {
            if shown.tag == tag {
                shown.standing = ShownStanding::Paid;
            }
        }
    }

    /// Advertises the newest requests, open ones before paid ones; a controller has room for few.
    async fn advertise(&mut self) {
        let Some(peripheral) = &self.peripheral else {
            return;
        };
        let of = |standing| {
            let newest = self.order.iter().rev();
            newest.filter(move |shown| shown.standing == standing)
        };
        let tags = of(ShownStanding::Open)
            .chain(of(ShownStanding::Paid))
            .map(|shown| shown.tag)
            .take(ADVERTISED_TAGS_MAX)
            .collect();
        if let Err(error) = peripheral.set_advertised(tags).await {
            tracing::debug!(%error, "The radio does not advertise");
        }
    }

    fn tell_request(&self, tag: RequestTag) {
        let shown = self.order.iter().find(|shown| shown.tag == tag);
        if let Some(shown) = shown {
            self.shared.tell(WalletEvent::RequestChanged(shown.id));
        }
    }
}

async fn next_event(peripheral: &mut Option<Peripheral>) -> Option<PeripheralEvent> {
    match peripheral {
        Some(peripheral) => peripheral.next_event().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The six digits that payees show, by request.
pub(super) type Screen = BTreeMap<RequestTag, ble_proto::code::Code>;

/// The machine's number of a link, next to the radio's.
type Id = LinkId;
