//! Puppets: each end of a session played by hand, to say what no honest side would.

use ble_proto::code::{NonceCommitment, PayeeNonce, PayerNonce};
use ble_proto::frame::{Assembled, Assembler, ChunkSize, SessionTag, Splitter};
use ble_proto::gatt::RequestTag;
use ble_proto::info::Info;
use ble_proto::message::{Message, Offer, SenderChain, Standing};
use ble_proto::payment::payee::{LinkId, Payee, PayeeEffect};
use ble_proto::payment::payer::{self, Payer, PayerEffect, Purpose, Visit};
use ble_proto::session::{Channel, HandshakeHash, Hello, Initiator, LinkEntropy, Responder};
use ble_proto::time::Instant;
use ble_proto::uri::PaymentUri;
use ops_proto::message::CertificateChain;

use super::{World, world};

/// The clock's beginning in every puppet test.
pub(crate) const START: Instant = Instant::from_ms(50_000);

/// A payer played by hand, on one link of a real payee.
pub(crate) struct PayerPuppet {
    pub(crate) link: LinkId,
    splitter: Splitter,
    assembler: Assembler,
    initiator: Option<Initiator>,
    pub(crate) channel: Option<Channel>,
    pub(crate) nonce: Option<PayerNonce>,
    pub(crate) hash: Option<HandshakeHash>,
    pub(crate) offer: Option<Offer>,
}

pub(crate) fn chunk() -> ChunkSize {
    ChunkSize::new(512).expect("large enough")
}

impl PayerPuppet {
    /// Connects and sends nothing.
    pub(crate) fn connect(payee: &mut Payee, link: u64, now: Instant) -> Self {
        let id = LinkId(link);
        payee.handle_link_up(id, chunk(), seed(link, 1), now);
        let tag = SessionTag(link.to_be_bytes()[4..].try_into().expect("4 bytes"));
        Self {
            link: id,
            splitter: Splitter::new(tag, chunk()),
            assembler: Assembler::central(tag),
            initiator: None,
            channel: None,
            nonce: None,
            hash: None,
            offer: None,
        }
    }

    /// Sends flight ① of somebody who only browses.
    pub(crate) fn browse(&mut self, payee: &mut Payee, tag: RequestTag, now: Instant) {
        self.hello(payee, tag, None, now);
    }

    /// Sends flight ① with a commitment.
    pub(crate) fn commit(&mut self, payee: &mut Payee, tag: RequestTag, now: Instant) {
        let nonce = PayerNonce::generate(&mut LinkEntropy::new(seed(self.link.0, 2)));
        let commitment = nonce.commitment();
        self.nonce = Some(nonce);
        self.hello(payee, tag, Some(commitment), now);
    }

    /// Sends flight ① of somebody who scanned.
    pub(crate) fn scan(&mut self, payee: &mut Payee, uri: &PaymentUri, now: Instant) {
        let (initiator, flight) = Initiator::scanned(
            &Info::own(),
            uri.tag,
            &uri.payee,
            &uri.secret,
            &mut LinkEntropy::new(seed(self.link.0, 3)),
        )
        .expect("a good URI");
        self.initiator = Some(initiator);
        self.send_raw(payee, &flight, now);
    }

    fn hello(
        &mut self,
        payee: &mut Payee,
        tag: RequestTag,
        commitment: Option<NonceCommitment>,
        now: Instant,
    ) {
        let mut entropy = LinkEntropy::new(seed(self.link.0, 4));
        let (initiator, flight) =
            Initiator::heard(&Info::own(), tag, commitment, &mut entropy).expect("it begins");
        self.initiator = Some(initiator);
        self.send_raw(payee, &flight, now);
    }

    /// Sends bytes as they are, as one message.
    pub(crate) fn send_raw(&mut self, payee: &mut Payee, message: &[u8], now: Instant) {
        for frame in self.splitter.split(message).expect("it fits") {
            payee.handle_frame(self.link, &frame, now);
        }
    }

    /// Seals and sends a message.
    pub(crate) fn send(&mut self, payee: &mut Payee, message: &Message, now: Instant) {
        let channel = self.channel.as_mut().expect("a session");
        let sealed = channel.seal(&message.encode()).expect("it fits");
        self.send_raw(payee, &sealed, now);
    }

    /// Returns the first of two frames.
    pub(crate) fn half_frame(&mut self) -> Vec<u8> {
        self.splitter.split(&[0; 600]).expect("it fits").remove(0)
    }

    /// Takes what the payee wants done; returns what it said on this link.
    pub(crate) fn hear(&mut self, effects: &[PayeeEffect], now: Instant) -> Vec<Message> {
        let mut messages = Vec::new();
        for effect in effects {
            let PayeeEffect::Transmit { link, frame } = effect else {
                continue;
            };
            if *link != self.link {
                continue;
            }
            let progress = self
                .assembler
                .handle_frame(frame, now)
                .expect("good frames");
            let Assembled::Complete(bytes) = progress else {
                continue;
            };
            messages.push(self.open(&bytes));
        }
        messages
    }

    fn open(&mut self, bytes: &[u8]) -> Message {
        if let Some(channel) = &mut self.channel {
            let plain = channel.open(bytes).expect("authentic");
            return Message::decode(&plain).expect("well formed");
        }
        let initiator = self.initiator.take().expect("flight 1 went before");
        let dialled = initiator.handle_answer(bytes).expect("authentic");
        self.channel = Some(dialled.channel);
        self.hash = Some(dialled.hash);
        let message = Message::decode(&dialled.payload).expect("well formed");
        if let Message::Offer(offer) = &message {
            self.offer = Some((**offer).clone());
        }
        message
    }
}

/// A payee played by hand, opposite a real payer.
pub(crate) struct PayeePuppet {
    pub(crate) payer: Payer,
    splitter: Option<Splitter>,
    assembler: Assembler,
    responder: Option<Responder>,
    pub(crate) channel: Option<Channel>,
    pub(crate) said: Vec<Message>,
    pub(crate) effects: Vec<PayerEffect>,
}

impl PayeePuppet {
    /// Lets a real payer visit; flight ① of the payer has come.
    pub(crate) fn visited(world: &World, purpose: Purpose) -> Self {
        Self::visited_by(visit(world, purpose))
    }

    /// Lets a real payer visit on terms of the test's own.
    pub(crate) fn visited_by(visit: Visit) -> Self {
        let secret = world::noise_secret(1);
        let mut puppet = Self {
            payer: Payer::new(visit, START).expect("a good visit"),
            splitter: None,
            assembler: Assembler::peripheral(),
            responder: None,
            channel: None,
            said: Vec::new(),
            effects: Vec::new(),
        };
        let first = puppet.take_bytes(START).expect("flight 1");
        let hello = Hello::parse(&first).expect("well formed");
        let mut entropy = LinkEntropy::new(seed(9, 9));
        let responder = match hello.mode() {
            ble_proto::session::Mode::Heard => Responder::heard(&hello, &secret, &mut entropy),
            ble_proto::session::Mode::Scanned => {
                Responder::scanned(&hello, &secret, &world::uri_secret(1), &mut entropy)
            }
        };
        puppet.responder = Some(responder.expect("authentic"));
        puppet
    }

    /// Answers with the offer that an honest payee would make.
    pub(crate) fn offer(&mut self, world: &World) {
        self.offer_this(&Message::Offer(Box::new(Self::honest_offer(world))));
    }

    pub(crate) fn honest_offer(world: &World) -> Offer {
        Offer {
            request: world.request(1),
            provider: world.ferry_certificate.clone(),
            nonce: PayeeNonce([3; 32]),
            standing: Standing::Open,
        }
    }

    /// Answers with this as the payload of flight ②.
    pub(crate) fn offer_this(&mut self, message: &Message) {
        let responder = self.responder.take().expect("flight 1 came");
        let accepted = responder.answer(&message.encode()).expect("it fits");
        self.channel = Some(accepted.channel);
        self.notify(&accepted.flight);
    }

    /// Seals and sends a message.
    pub(crate) fn send(&mut self, message: &Message) {
        let channel = self.channel.as_mut().expect("a session");
        let sealed = channel.seal(&message.encode()).expect("it fits");
        self.notify(&sealed);
    }

    /// Sends bytes as they are, as one message.
    pub(crate) fn notify(&mut self, message: &[u8]) {
        let tag = self.assembler.tag().expect("flight 1 came");
        let splitter = self
            .splitter
            .get_or_insert_with(|| Splitter::new(tag, chunk()));
        for frame in splitter.split(message).expect("it fits") {
            self.payer.handle_frame(&frame, START);
        }
        self.listen();
    }

    /// Returns the first of two frames.
    pub(crate) fn half_frame(&mut self) -> Vec<u8> {
        let splitter = self.splitter.as_mut().expect("flight 2 went before");
        splitter.split(&[0; 600]).expect("it fits").remove(0)
    }

    /// Collects what the payer wants done and what it said.
    pub(crate) fn listen(&mut self) {
        while let Some(bytes) = self.take_bytes(START) {
            let channel = self.channel.as_mut().expect("a session");
            let plain = channel.open(&bytes).expect("authentic");
            self.said
                .push(Message::decode(&plain).expect("well formed"));
        }
    }

    /// Returns how the visit ended, if it did.
    pub(crate) fn outcome(&mut self) -> Option<payer::Outcome> {
        self.listen();
        self.effects.iter().find_map(|effect| match effect {
            PayerEffect::Done(outcome) => Some(outcome.clone()),
            _ => None,
        })
    }

    fn take_bytes(&mut self, now: Instant) -> Option<Vec<u8>> {
        while let Some(effect) = self.payer.poll_effect() {
            let PayerEffect::Transmit(frame) = effect else {
                self.effects.push(effect);
                continue;
            };
            let progress = self
                .assembler
                .handle_frame(&frame, now)
                .expect("good frames");
            if let Assembled::Complete(bytes) = progress {
                return Some(bytes);
            }
        }
        None
    }
}

/// A visit of the world's payer.
pub(crate) fn visit(world: &World, purpose: Purpose) -> Visit {
    Visit {
        root: world.root.public_key(),
        sender: world.sender(),
        purpose,
        unsettled: Vec::new(),
        holding: None,
        info: ble_proto::info::INFO_BYTES.to_vec(),
        chunk: chunk(),
        entropy: seed(7, 7),
    }
}

/// What an honest sender of another provider, or of the payee's, says of itself.
pub(crate) fn chain(sender: CertificateChain, offer: &Offer) -> SenderChain {
    SenderChain {
        provider: Some(sender.provider).filter(|own| *own != offer.provider),
        leaf: sender.leaf,
    }
}

/// All effects of a payee.
pub(crate) fn effects(payee: &mut Payee) -> Vec<PayeeEffect> {
    std::iter::from_fn(|| payee.poll_effect()).collect()
}

pub(crate) fn seed(a: u64, b: u64) -> [u8; 32] {
    let mut dice = super::Dice::new(a.wrapping_mul(1000).wrapping_add(b));
    dice.bytes()
}
