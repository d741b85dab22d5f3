//! The payee: all open requests of a device and all links to them.
//!
//! ```text
//! per link:
//!  up ─► ExpectHello ─①─► ExpectTurn ─②─► ExpectPayerChoice ─③,④─► ExpectPayment ─⑤─► ExpectCollection
//!                                          │  ▲                                              │ ⑥
//!                              sent again ─┴──┘ (through ExpectCollection)                   ▼
//!                              Busy, Refuse, Held ─► ExpectLeave ─► down      ExpectPayerGossip ─► down
//! per payment (whatever the link does):
//!  PayVerify = 1 ─► ExpectPaymentDurable ─► ExpectCredit ─► ExpectReceiptDurable ─► receipt
//!                                                └─ not credited here ─► Held
//! ```
//!
//! Nothing is said about a payment before its record is on disk, and no receipt leaves before its own
//! is. A valid payment is never refused: not after the lock has ended, not for a request that is
//! closed, paid or unknown to this machine, as long as R is signed by a key of this device.

mod bucket;
mod collection;
mod effect;
mod flights;
mod gossip;
mod hello;
mod link;
mod request;

use std::collections::{BTreeMap, VecDeque};

use ops_proto::certificate::Certificate;
use ops_proto::{Digest, PublicKey, Signed};

use bucket::TokenBucket;
use collection::Collections;
pub use effect::{CreditAnswer, CreditId, LinkId, NotCredited, PayeeEffect, PayeeRecord};
use link::{ExpectHello, LinkState, PayeeLink, Room};
use request::Request;
pub use request::{OpenRefused, OpenRequest, WayIn};

use crate::durable::{RecordNumber, Sequence};
use crate::error::{Failure, Misbehaviour, Waiting};
use crate::frame::{Assembled, Assembler, ChunkSize};
use crate::gatt::RequestTag;
use crate::gossip::Denied;
use crate::limits::{
    HANDSHAKE_INTERVAL_MS, HANDSHAKES_BURST, HELLO_MS_MAX, LINKS_MAX, OWN_KEYS_MAX, REQUESTS_MAX,
};
use crate::message::Message;
use crate::session::{ENTROPY_SIZE, LinkEntropy};
use crate::time::Instant;

/// A key that this device receives with, or received with before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// The certified key: a TA's or a client's.
    pub key: PublicKey,
    /// The certificate of the provider that certified it.
    pub provider: Signed<Certificate>,
}

/// All open requests of a device and all links to them. One per device.
///
/// - commands: [`Self::open_request`], [`Self::close_request`], [`Self::add_own_key`];
/// - `handle_*`: what happened on links, on disk, in the TA, on the clock;
/// - `poll_*`: after each command or `handle_*`, [`Self::poll_effect`] until `None`, then
///   [`Self::poll_timeout`].
///
/// Effects are done in order.
#[derive(Debug)]
pub struct Payee {
    root: PublicKey,
    own_keys: Vec<OwnKey>,
    requests: BTreeMap<RequestTag, Request>,
    links: BTreeMap<LinkId, PayeeLink>,
    collections: Collections,
    handshakes: TokenBucket,
    sequence: Sequence,
    effects: VecDeque<PayeeEffect>,
    denied: Denied,
}

impl Payee {
    /// Creates the machine of a device that trusts this root; open requests are opened again after a
    /// start.
    #[must_use]
    pub fn new(root: PublicKey) -> Self {
        Self {
            root,
            own_keys: Vec::new(),
            requests: BTreeMap::new(),
            links: BTreeMap::new(),
            collections: Collections::new(),
            handshakes: TokenBucket::new(HANDSHAKES_BURST, HANDSHAKE_INTERVAL_MS),
            sequence: Sequence::new(),
            effects: VecDeque::new(),
            denied: Denied::default(),
        }
    }

    /// Adds a key that payments may come for, beside those of the open requests.
    ///
    /// Call it at a start with every key that this device ever signed requests with.
    ///
    /// # Errors
    ///
    /// [`OpenRefused::TooManyKeys`].
    pub fn add_own_key(&mut self, own: OwnKey) -> Result<(), OpenRefused> {
        if self.own_keys.contains(&own) {
            return Ok(());
        }
        if self.own_keys.len() >= OWN_KEYS_MAX {
            return Err(OpenRefused::TooManyKeys);
        }
        self.own_keys.push(own);

        Ok(())
    }

    /// Opens a request: it is advertised and can be paid. Its record must be on disk before.
    ///
    /// # Errors
    ///
    /// [`OpenRefused`] says what is wrong; nothing has changed then.
    pub fn open_request(&mut self, open: OpenRequest, now: Instant) -> Result<(), OpenRefused> {
        if self.requests.contains_key(&open.tag) {
            return Err(OpenRefused::TagInUse);
        }
        if self.requests.len() >= REQUESTS_MAX {
            return Err(OpenRefused::TooMany);
        }
        open.check(&self.root)?;
        self.make_room_for_key();
        self.add_own_key(OwnKey {
            key: open.request.body().payee.body().subject,
            provider: open.provider.clone(),
        })?;
        self.requests.insert(open.tag, Request::new(open, now));
        self.advertise();

        Ok(())
    }

    /// Opens a request that was paid before a restart: for a while it is shown, so that a payer who was
    /// cut off finds its receipt; nobody can choose it.
    ///
    /// # Errors
    ///
    /// As [`Self::open_request`].
    pub fn open_paid(&mut self, open: OpenRequest, now: Instant) -> Result<(), OpenRefused> {
        let tag = open.tag;
        self.open_request(open, now)?;
        if let Some(request) = self.requests.get_mut(&tag) {
            request.pay(now);
        }

        Ok(())
    }

    /// Stops showing a request. A payer that holds its lock may still pay it; that payment is never refused.
    pub fn close_request(&mut self, tag: RequestTag) {
        if self.requests.remove(&tag).is_some() {
            self.advertise();
        }
    }

    /// Takes note of a new link whose central has subscribed to `S2C`.
    ///
    /// `entropy` is fresh randomness for this link alone. With eight links, the one that is worth
    /// least makes room; a link that is about to pay never does.
    pub fn handle_link_up(
        &mut self,
        id: LinkId,
        chunk: ChunkSize,
        entropy: [u8; ENTROPY_SIZE],
        now: Instant,
    ) {
        if self.links.contains_key(&id) {
            return;
        }
        if self.links.len() >= LINKS_MAX {
            let Some(victim) = self.least_worth() else {
                self.effects.push_back(PayeeEffect::Disconnect { link: id });
                return;
            };
            self.fail(victim, Failure::Evicted);
        }
        let state = LinkState::ExpectHello(ExpectHello {
            deadline: now.after_ms(HELLO_MS_MAX),
        });
        self.links.insert(
            id,
            PayeeLink {
                entropy: LinkEntropy::new(entropy),
                chunk,
                assembler: Assembler::peripheral(),
                talk: None,
                state,
                since: now,
            },
        );
    }

    /// Takes one write to `C2S`.
    pub fn handle_frame(&mut self, id: LinkId, bytes: &[u8], now: Instant) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        match link.assembler.handle_frame(bytes, now) {
            Ok(Assembled::Incomplete | Assembled::Foreign) => {}
            Ok(Assembled::Complete(message)) => self.handle_complete(id, &message, now),
            Err(error) => self.fail(id, error.into()),
        }
        self.answer_waiting(now);
    }

    /// Takes note that a link is gone. Its payment, if one is under way, goes on.
    pub fn handle_link_down(&mut self, id: LinkId, now: Instant) {
        self.forget(id);
        self.answer_waiting(now);
    }

    /// Takes note that every record up to this one is on disk.
    pub fn handle_synced(&mut self, synced_up_to: RecordNumber, now: Instant) {
        let answered = self
            .collections
            .handle_synced(synced_up_to, &mut self.effects);
        for answered in answered {
            self.handle_answered(answered, now);
        }
    }

    /// Takes the answer to [`PayeeEffect::Credit`].
    pub fn handle_credited(&mut self, credit: CreditId, answer: CreditAnswer, now: Instant) {
        let answered =
            self.collections
                .handle_credited(credit, answer, &mut self.sequence, &mut self.effects);
        if let Some(answered) = answered {
            self.handle_answered(answered, now);
        }
    }

    /// Takes note of the time; call it when [`Self::poll_timeout`] has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.answer_waiting(now);
        let overdue: Vec<_> = self
            .links
            .iter_mut()
            .filter_map(|(id, link)| Some((*id, link.overdue(now)?)))
            .collect();
        for (id, failure) in overdue {
            if let Failure::TimedOut(Waiting::Leave | Waiting::Gossip) = failure {
                self.hang_up(id);
                continue;
            }
            self.fail(id, failure);
        }
        let known = self.requests.len();
        self.requests
            .retain(|_, request| request.lingers_until().is_none_or(|until| now < until));
        if self.requests.len() < known {
            self.advertise();
        }
        self.answer_waiting(now);
    }

    /// Returns the next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<PayeeEffect> {
        self.effects.pop_front()
    }

    /// Returns when [`Self::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values();
        let deadlines = links
            .clone()
            .filter_map(|link| link.deadline().map(|(deadline, _)| deadline));
        let assemblies = links.filter_map(|link| link.assembler.poll_timeout());
        let requests = self.requests.values().filter_map(Request::lingers_until);

        deadlines
            .chain(assemblies)
            .chain(requests)
            .chain(self.next_turn())
            .min()
    }

    /// Returns the certificate of the sender's provider, for a payment whose record is being appended:
    /// it is stored beside the pair, since a claim and `Collect` need it.
    #[must_use]
    pub fn sender_provider(&self, payment: &Digest) -> Option<&Signed<Certificate>> {
        self.collections.sender_provider(payment)
    }

    /// Returns the hashes of the requests whose payment may be on its way: a payer holds the lock, or P
    /// is here and not answered. Ask before a request's id is closed: such a one stays open, also when it
    /// is no longer shown.
    #[must_use]
    pub fn awaited(&self) -> Vec<Digest> {
        let locked = self.links.values().filter_map(PayeeLink::awaited);

        locked.chain(self.collections.requests()).collect()
    }

    /// Returns the bytes of unfinished messages that links make us hold.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.links
            .values()
            .map(|link| link.assembler.held_bytes())
            .fold(0, usize::saturating_add)
    }

    fn handle_complete(&mut self, id: LinkId, bytes: &[u8], now: Instant) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let done = match (&link.state, &mut link.talk) {
            (LinkState::ExpectHello(_), _) => self.handle_hello(id, bytes, now),
            (_, Some(talk)) => match talk.hear(bytes) {
                Ok(message) => self.handle_message(id, message, now),
                Err(failure) => Err(failure),
            },
            (_, None) => Err(Misbehaviour::SpokeTooEarly.into()),
        };
        if let Err(failure) = done {
            self.fail(id, failure);
        }
    }

    /// Closes a link whose business is done.
    fn hang_up(&mut self, id: LinkId) {
        self.forget(id);
        self.effects.push_back(PayeeEffect::Disconnect { link: id });
    }

    fn say(&mut self, id: LinkId, message: &Message) -> Result<(), Failure> {
        let link = self.links.get_mut(&id).ok_or(Failure::LinkLost)?;
        let talk = link.talk.as_mut().ok_or(Failure::LinkLost)?;
        let frames = talk.say(message)?;
        self.transmit(id, frames);

        Ok(())
    }

    fn transmit(&mut self, link: LinkId, frames: Vec<Vec<u8>>) {
        let effects = frames
            .into_iter()
            .map(|frame| PayeeEffect::Transmit { link, frame });
        self.effects.extend(effects);
    }

    /// Ends a link before its time; says why in general, if there is a session to say it in.
    fn fail(&mut self, id: LinkId, failure: Failure) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        // after the receipt nothing is at stake, and what is not known may be a later version's
        let code = failure.abort_code().filter(|_| !link.is_gossiping());
        if let Some(code) = code {
            // what cannot be said is not worth a second failure
            self.say(id, &Message::Abort(code)).ok();
        }
        self.forget(id);
        self.effects
            .push_back(PayeeEffect::LinkFailed { link: id, failure });
        self.effects.push_back(PayeeEffect::Disconnect { link: id });
    }

    fn forget(&mut self, id: LinkId) {
        if self.links.remove(&id).is_some() {
            self.collections.handle_link_down(id);
            self.unlock(id);
        }
    }

    /// Ends the lock that a link holds, if it holds one.
    fn unlock(&mut self, id: LinkId) {
        for (tag, request) in &mut self.requests {
            if request.lock == Some(id) {
                request.lock = None;
                if request.lingers_until().is_none() {
                    self.effects.push_back(PayeeEffect::Unlocked { tag: *tag });
                }
            }
        }
    }

    fn advertise(&mut self) {
        let tags = self.requests.keys().copied().collect();
        self.effects.push_back(PayeeEffect::Advertise(tags));
    }

    /// Forgets the oldest key that no open request needs, if there is no room for another.
    fn make_room_for_key(&mut self) {
        if self.own_keys.len() < OWN_KEYS_MAX {
            return;
        }
        let is_needed = |own: &OwnKey| {
            self.requests
                .values()
                .any(|request| request.open.provider == own.provider)
        };
        if let Some(oldest) = self.own_keys.iter().position(|own| !is_needed(own)) {
            self.own_keys.remove(oldest);
        }
    }

    fn least_worth(&self) -> Option<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| link.room() != Room::Never)
            .max_by_key(|(_, link)| (link.room(), std::cmp::Reverse(link.since)))
            .map(|(id, _)| *id)
    }
}
