//! Payer and payee back to back on a virtual clock. The knobs are the link's: chunk, delay, loss,
//! duplication, the frame at which it is cut; the disks' and the TAs' delays; what the person does.
//!
//! After every step the promises are checked that need no end: nothing leaves before it is on disk,
//! one debit and one credit per request.

mod effects;
mod flight;

use std::collections::BTreeMap;

use ble_proto::code::Code;
use ble_proto::durable::RecordNumber;
use ble_proto::frame::ChunkSize;
use ble_proto::gossip::{GossipItem, Holding};
use ble_proto::info::INFO_BYTES;
use ble_proto::payment::payee::{self, CreditId, LinkId, OwnKey, Payee, PayeeEffect, PayeeRecord};
use ble_proto::payment::payer::{
    self, Approval, Approver, Offered, Outcome, Payer, PayerRecord, Purpose, Reveals, Unsettled,
    Visit,
};
use ble_proto::time::Instant;
use ops_proto::message::{CertificateChain, Payment, ReceivedPayment};
use ops_proto::{Amount, Digest, PaymentPair, RequestId, Signed};

use super::{Dice, World};

/// What a link does to frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Air {
    pub(crate) chunk: usize,
    pub(crate) delay_ms: u64,
    pub(crate) loss_permille: u64,
    pub(crate) repeat_permille: u64,
    /// The link is gone after this many frames, both ways counted together.
    pub(crate) cut_after: Option<usize>,
    pub(crate) disk_ms: u64,
    pub(crate) ta_ms: u64,
}

impl Default for Air {
    fn default() -> Self {
        Self {
            chunk: 512,
            delay_ms: 30,
            loss_permille: 0,
            repeat_permille: 0,
            cut_after: None,
            disk_ms: 5,
            ta_ms: 3,
        }
    }
}

/// What the person at the payer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// Chooses at once and approves at once, while ④ travels.
    Approves,
    /// Chooses at once and approves this long after the memo is shown.
    ApprovesAfter(u64),
    /// Chooses at once and approves another amount than is offered.
    Misreads(Amount),
    /// Says no when the memo is shown.
    Declines,
    /// Only chooses.
    Ponders,
}

#[derive(Debug)]
enum Event {
    ToPayee(LinkId, Vec<u8>),
    ToPayer(LinkId, Vec<u8>),
    PayeeHearsDown(LinkId),
    PayerHearsDown(LinkId),
    PayeeSynced(RecordNumber),
    PayerSynced(RecordNumber),
    Paid(Option<Signed<Payment>>),
    Credited(CreditId, Option<Signed<ReceivedPayment>>),
    Approve(Approval),
}

/// Both machines and all that is around them.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) now: Instant,
    pub(crate) air: Air,
    pub(crate) person: Person,
    pub(crate) approver: Approver,
    pub(crate) sender: CertificateChain,
    pub(crate) payee: Payee,
    pub(crate) payer: Option<Payer>,
    pub(crate) reveals: Reveals,
    /// The payer's TA answers with this instead of what was asked.
    pub(crate) crooked_payment: Option<Signed<Payment>>,
    pub(crate) ta_refuses: bool,
    pub(crate) credit_refused: bool,
    pub(crate) never_credit: Option<Digest>,
    /// What each side holds of the deny-lists; a payer with `None` passes none on.
    pub(crate) payer_holding: Option<Holding>,
    pub(crate) payee_holding: Holding,
    /// What each side finds that the other lacks.
    pub(crate) payer_passes_on: Vec<GossipItem>,
    pub(crate) payee_passes_on: Vec<GossipItem>,
    /// Each side refuses what it hears.
    pub(crate) refuses_gossip: bool,
    pub(crate) payer_heard: Vec<GossipItem>,
    pub(crate) payee_heard: Vec<GossipItem>,
    pub(crate) payee_asked: Vec<Holding>,
    /// What the link becomes once the receipt is on the payer's disk.
    pub(crate) air_after_receipt: Option<Air>,
    pub(crate) receipt_at: Option<(Instant, usize)>,
    pub(crate) ended_at: Option<Instant>,
    /// Turns one bit: of which frame, at which byte, which bit.
    pub(crate) flip: Option<(usize, usize, u8)>,
    // what happened
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) offers: Vec<Offered>,
    pub(crate) payer_codes: Vec<Code>,
    pub(crate) payee_codes: Vec<Code>,
    pub(crate) payee_log: Vec<PayeeEffect>,
    pub(crate) not_settled: Vec<Digest>,
    pub(crate) frames: Vec<(Direction, usize)>,
    pub(crate) approved_at_frame: Option<usize>,
    // the two disks
    pub(crate) payer_disk: Vec<PayerRecord>,
    pub(crate) payee_disk: Vec<PayeeRecord>,
    payer_written: Vec<(RecordNumber, PayerRecord)>,
    payee_written: Vec<(RecordNumber, PayeeRecord)>,
    // the two TAs
    pub(crate) debits: BTreeMap<RequestId, Signed<Payment>>,
    pub(crate) credits: BTreeMap<Digest, Signed<ReceivedPayment>>,
    pub(crate) link: Option<LinkId>,
    payer_link: Option<LinkId>,
    next_link: u64,
    events: Vec<(Instant, u64, Event)>,
    order: u64,
    dice: Dice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToPayee,
    ToPayer,
}

impl Pair {
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::new();
        let payee = Payee::new(world.root.public_key());
        Self {
            sender: world.sender(),
            world,
            now: Instant::from_ms(1_000_000),
            air: Air::default(),
            person: Person::Approves,
            approver: Approver::Person,
            payee,
            payer: None,
            reveals: Reveals::default(),
            crooked_payment: None,
            ta_refuses: false,
            credit_refused: false,
            never_credit: None,
            payer_holding: None,
            payee_holding: Holding::default(),
            payer_passes_on: Vec::new(),
            payee_passes_on: Vec::new(),
            refuses_gossip: false,
            payer_heard: Vec::new(),
            payee_heard: Vec::new(),
            payee_asked: Vec::new(),
            air_after_receipt: None,
            receipt_at: None,
            ended_at: None,
            flip: None,
            outcomes: Vec::new(),
            offers: Vec::new(),
            payer_codes: Vec::new(),
            payee_codes: Vec::new(),
            payee_log: Vec::new(),
            not_settled: Vec::new(),
            frames: Vec::new(),
            approved_at_frame: None,
            payer_disk: Vec::new(),
            payee_disk: Vec::new(),
            payer_written: Vec::new(),
            payee_written: Vec::new(),
            debits: BTreeMap::new(),
            credits: BTreeMap::new(),
            link: None,
            payer_link: None,
            next_link: 0,
            events: Vec::new(),
            order: 0,
            dice: Dice::new(seed),
        }
    }

    /// A pair whose payee has request 1 open, announced.
    pub(crate) fn announced() -> Self {
        let mut pair = Self::new(1);
        let open = pair.world.announced(1);
        pair.payee.open_request(open, pair.now).expect("it opens");
        pair
    }

    /// A pair whose payee has request 1 open, by URI.
    pub(crate) fn by_uri() -> Self {
        let mut pair = Self::new(1);
        let open = pair.world.by_uri(1);
        pair.payee.open_request(open, pair.now).expect("it opens");
        pair
    }

    /// Connects and visits; call [`Self::run`] to let it happen.
    pub(crate) fn visit(&mut self, purpose: Purpose) {
        let chunk = ChunkSize::new(self.air.chunk).expect("large enough");
        let id = self.connect(chunk);
        self.link = Some(id);
        self.payer_link = Some(id);
        self.frames.clear();
        let visit = Visit {
            root: self.world.root.public_key(),
            sender: self.sender.clone(),
            purpose,
            unsettled: self.unsettled(),
            holding: self.payer_holding.clone(),
            info: INFO_BYTES.to_vec(),
            chunk,
            entropy: self.dice.bytes(),
        };
        self.payer = Some(Payer::new(visit, self.now).expect("a good visit"));
    }

    /// Connects another central, which the test plays itself.
    pub(crate) fn connect(&mut self, chunk: ChunkSize) -> LinkId {
        self.next_link += 1;
        let id = LinkId(self.next_link);
        self.payee
            .handle_link_up(id, chunk, self.dice.bytes(), self.now);
        id
    }

    /// Visits and runs until the visit is over; returns how it ended.
    pub(crate) fn visit_to_end(&mut self, purpose: Purpose) -> Outcome {
        let before = self.outcomes.len();
        self.visit(purpose);
        self.run();
        assert_eq!(self.outcomes.len(), before + 1, "a visit ends exactly once");
        self.outcomes[before].clone()
    }

    pub(crate) fn pay(&mut self) -> Outcome {
        self.visit_to_end(Purpose::Pay {
            tag: super::world::tag(1),
            expected: payer::Expected::default(),
        })
    }

    pub(crate) fn pay_scanned(&mut self) -> Outcome {
        let uri = self.world.uri(1);
        self.visit_to_end(Purpose::PayScanned { uri })
    }

    pub(crate) fn resume(&mut self) -> Outcome {
        self.visit_to_end(Purpose::Resume {
            tag: super::world::tag(1),
        })
    }

    /// What the payer's journal says is unsettled.
    pub(crate) fn unsettled(&self) -> Vec<Unsettled> {
        let is_settled = |payment: &Digest| {
            self.payer_disk.iter().any(|record| {
                matches!(record, PayerRecord::ReceiptReceived { payment: settled, .. } if settled == payment)
            })
        };
        self.signed_pairs()
            .filter(|pair| !is_settled(&pair.hash()))
            .map(|pair| Unsettled {
                pair: pair.clone(),
                provider: self.sender.provider.clone(),
            })
            .collect()
    }

    pub(crate) fn signed_pairs(&self) -> impl Iterator<Item = &PaymentPair> {
        self.payer_disk.iter().filter_map(|record| match record {
            PayerRecord::PaymentSigned { pair } => Some(&**pair),
            _ => None,
        })
    }

    /// Lets everything happen until the visit is over and nothing is under way, at most 10 minutes.
    pub(crate) fn run(&mut self) {
        let end = self.now.after_ms(600_000);
        self.drain();
        while self.step(end) {}
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.now.after_ms(ms);
        self.drain();
        while self.next_time().is_some_and(|next| next <= end) && self.step(end) {}
        self.now = self.now.max(end);
        self.payee.handle_timeout(self.now);
        if let Some(payer) = &mut self.payer {
            payer.handle_timeout(self.now);
        }
        self.drain();
    }

    /// The link is gone, for both at once; what was on its way is lost.
    pub(crate) fn cut(&mut self) {
        if let Some(id) = self.link.take() {
            self.events
                .retain(|(_, _, event)| !matches!(event, Event::ToPayee(..) | Event::ToPayer(..)));
            self.push(0, Event::PayeeHearsDown(id));
            self.push(0, Event::PayerHearsDown(id));
        }
    }

    /// The payee loses power: what is not on disk is gone. Its requests are opened again.
    pub(crate) fn cut_payee_power(&mut self, open: Vec<payee::OpenRequest>) {
        self.link = None;
        self.events.retain(|(_, _, event)| {
            matches!(
                event,
                Event::PayerSynced(_) | Event::Paid(_) | Event::Approve(_)
            )
        });
        self.payee_written.clear();
        if let Some(payer) = &mut self.payer {
            payer.handle_link_down();
        }
        self.payee = Payee::new(self.world.root.public_key());
        self.payee
            .add_own_key(OwnKey {
                key: self.world.payee_ta.public_key(),
                provider: self.world.ferry_certificate.clone(),
            })
            .expect("the first key");
        for open in open {
            self.payee.open_request(open, self.now).expect("it opens");
        }
        self.drain();
    }

    /// The payer loses power: the machine is gone, the disk stays; the TA's answers are appended again.
    pub(crate) fn cut_payer_power(&mut self) {
        self.payer = None;
        self.payer_written.clear();
        self.events
            .retain(|(_, _, event)| matches!(event, Event::PayeeSynced(_) | Event::Credited(..)));
        if let Some(id) = self.link.take() {
            self.push(0, Event::PayeeHearsDown(id));
        }
        self.take_from_ta();
    }

    /// At a start the TA gives back in full what the journal does not have.
    fn take_from_ta(&mut self) {
        for payment in self.debits.values() {
            let known = self.signed_pairs().any(|pair| pair.payment == *payment);
            let request = self.payer_disk.iter().find_map(|record| match record {
                PayerRecord::Intent { request, .. }
                    if request.hash() == payment.body().request_hash =>
                {
                    Some((**request).clone())
                }
                _ => None,
            });
            if known {
                continue;
            }
            let pair = PaymentPair {
                payment: payment.clone(),
                request: request.expect("no debit without an intent on disk"),
            };
            self.payer_disk.push(PayerRecord::PaymentSigned {
                pair: Box::new(pair),
            });
            return self.take_from_ta();
        }
    }

    /// Lets so many things happen; tells whether the visit is still going on after them.
    pub(crate) fn run_steps(&mut self, steps: usize) -> bool {
        let end = self.now.after_ms(600_000);
        self.drain();
        (0..steps).all(|_| self.step(end)) && self.payer.as_ref().is_some_and(|p| !p.is_ended())
    }

    fn step(&mut self, end: Instant) -> bool {
        let Some(next) = self.next_time() else {
            return false;
        };
        let nothing_under_way =
            self.events.is_empty() && self.payer.as_ref().is_none_or(Payer::is_ended);
        if next > end || nothing_under_way {
            return false;
        }
        self.now = self.now.max(next);
        match self.pop_due() {
            Some(event) => self.happen(event),
            None => {
                self.payee.handle_timeout(self.now);
                if let Some(payer) = &mut self.payer {
                    payer.handle_timeout(self.now);
                }
            }
        }
        self.drain();
        true
    }

    fn next_time(&self) -> Option<Instant> {
        let events = self.events.iter().map(|(at, _, _)| *at);
        let payer = self.payer.as_ref().and_then(Payer::poll_timeout);
        events.chain(payer).chain(self.payee.poll_timeout()).min()
    }

    fn with_payer(&mut self, act: impl FnOnce(&mut Payer, &mut Reveals)) {
        if let Some(payer) = &mut self.payer {
            act(payer, &mut self.reveals);
        }
    }

    fn drain(&mut self) {
        loop {
            if let Some(effect) = self.payee.poll_effect() {
                self.do_payee(effect);
            } else if let Some(effect) = self.payer.as_mut().and_then(Payer::poll_effect) {
                self.do_payer(effect);
            } else {
                return;
            }
        }
    }
}
