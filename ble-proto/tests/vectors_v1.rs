//! Version 1 on the air, byte for byte, in both directions.
//!
//! The bytes stand in `docs/vectors_ble_v1.txt`, for us and for whoever implements the protocol anew. If
//! a test in this file fails, do not change the vectors: revert the change that broke them.

use std::collections::BTreeMap;

use ble_proto::code::{Code, OpenedNonce, PayeeNonce, PayerNonce};
use ble_proto::frame::{Assembled, Assembler, ChunkSize, SessionTag, Splitter};
use ble_proto::gatt::RequestTag;
use ble_proto::gossip::{Gathering, HeldList, Holding};
use ble_proto::info::{INFO_BYTES, Info};
use ble_proto::message::{
    AbortCode, Locked, Message, Offer, RefuseReason, Resume, Reveal, SenderChain, Standing,
};
use ble_proto::session::{Hello, Initiator, LinkEntropy, NoiseSecret, Responder, UriSecret};
use ble_proto::uri::{AmountHint, PaymentUri};
use ops_proto::message::ListVersion;
use ops_proto::signed::Body;
use ops_proto::{PaymentPair, ProviderId, Signed};

use crate::kit::puppet::START;

const SIGNED: &str = include_str!("../../docs/vectors_v1.txt");
const AIR: &str = include_str!("../../docs/vectors_ble_v1.txt");

const TAG: RequestTag = RequestTag([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6]);

#[test]
fn every_message_is_frozen() {
    let vectors = Vectors::read();
    let sender = SenderChain {
        leaf: vectors.signed("ta_certificate"),
        provider: Some(vectors.signed("provider_certificate")),
    };
    let pair = PaymentPair {
        payment: vectors.signed("payment"),
        request: vectors.signed("request_payment"),
    };
    let offer = Offer {
        request: pair.request.clone(),
        provider: vectors.signed("provider_certificate"),
        nonce: PayeeNonce([0x22; 32]),
        standing: Standing::Open,
    };
    let reveal = Reveal {
        nonce: OpenedNonce([0x11; 32]),
        sender: sender.clone(),
    };
    let resume = Resume {
        pair: pair.clone(),
        provider: None,
    };
    let locked = Locked {
        memo: "two coffees".parse().expect("a memo"),
        salt: [0x5a; 16],
    };
    let receipt = vectors.signed("received_payment");

    for (name, message) in [
        ("offer", Message::Offer(Box::new(offer))),
        ("reveal", Message::Reveal(Box::new(reveal))),
        ("join", Message::Join(Box::new(sender))),
        ("locked", Message::Locked(locked)),
        ("busy", Message::Busy),
        ("refuse", Message::Refuse(RefuseReason::Paid)),
        ("payment", Message::Payment(Box::new(pair.payment))),
        ("resume", Message::Resume(Box::new(resume))),
        ("received", Message::Received(Box::new(receipt))),
        ("held", Message::Held),
        ("abort", Message::Abort(AbortCode::TimedOut)),
        ("holding", Message::Holding(Box::new(holding()))),
        (
            "directory",
            Message::Directory(Box::new(vectors.signed("provider_directory"))),
        ),
        (
            "piece",
            Message::Piece(Box::new(vectors.signed("deny_list_piece"))),
        ),
        ("enough", Message::Enough),
    ] {
        let frozen = vectors.air(name);
        assert_eq!(hex::encode(message.encode()), hex::encode(frozen), "{name}");
        assert_eq!(Message::decode(frozen), Ok(message), "{name}");
        for length in 0..frozen.len() {
            let prefix = &frozen[..length];
            assert!(
                Message::decode(prefix).is_err(),
                "{name}: {length} bytes decode"
            );
        }
    }
}

#[test]
fn every_number_of_a_kind_reason_and_standing_is_frozen() {
    let byte_of = |message: Message| *message.encode().last().expect("not empty");
    for (index, reason) in [
        RefuseReason::Closed,
        RefuseReason::Paid,
        RefuseReason::Sender,
        RefuseReason::Payment,
        RefuseReason::Revoked,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(usize::from(byte_of(Message::Refuse(reason))), index);
    }
    for (index, code) in [
        AbortCode::Malformed,
        AbortCode::ProtocolViolation,
        AbortCode::Incompatible,
        AbortCode::Declined,
        AbortCode::TimedOut,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(usize::from(byte_of(Message::Abort(code))), index);
    }
    for (last, mut message) in [
        (4, Message::Refuse(RefuseReason::Revoked).encode()),
        (4, Message::Abort(AbortCode::TimedOut).encode()),
    ] {
        for byte in last + 1..=u8::MAX {
            *message.last_mut().expect("not empty") = byte;
            let decoded = Message::decode(&message);
            assert!(decoded.is_err(), "{byte} is a number of a later version");
        }
    }
    let vectors = Vectors::read();
    for (index, standing) in [Standing::Open, Standing::Locked, Standing::Paid]
        .into_iter()
        .enumerate()
    {
        let offer = Offer {
            request: vectors.signed("request_payment"),
            provider: vectors.signed("provider_certificate"),
            nonce: PayeeNonce([0x22; 32]),
            standing,
        };
        assert_eq!(usize::from(byte_of(Message::Offer(Box::new(offer)))), index);
    }
}

#[test]
fn frames_are_frozen() {
    let vectors = Vectors::read();
    let message = vectors.air("frames_message");
    let chunk = ChunkSize::new(20).expect("the smallest");
    let tag = SessionTag([0xb1, 0xb2, 0xb3, 0xb4]);

    let frames = Splitter::new(tag, chunk).split(message).expect("it fits");

    let mut assembler = Assembler::peripheral();
    let mut assembled = None;
    for (index, frame) in frames.iter().enumerate() {
        let frozen = vectors.air(&format!("frame_{index}"));
        assert_eq!(hex::encode(frame), hex::encode(frozen));
        if let Assembled::Complete(message) = assembler.handle_frame(frozen, START).expect("due") {
            assembled = Some(message);
        }
    }
    assert_eq!(frames.len(), 3);
    assert_eq!(assembled.as_deref(), Some(message));
}

#[test]
fn info_is_frozen() {
    assert_eq!(INFO_BYTES, Vectors::read().air("info"));
}

#[test]
fn the_heard_session_is_frozen() {
    let vectors = Vectors::read();
    let nonce = PayerNonce::generate(&mut LinkEntropy::new([0x10; 32]));
    let promise = nonce.commitment();
    let (payer, first) = Initiator::heard(
        &Info::own(),
        TAG,
        Some(promise),
        &mut LinkEntropy::new([0x01; 32]),
    )
    .expect("it begins");
    vectors.assert("heard_commitment", &promise.0);
    vectors.assert("heard_flight_1", &first);

    let hello = Hello::parse(&first).expect("well formed");
    let secret = NoiseSecret::from_bytes([0x77; 32]);
    vectors.assert("payee_noise_key", &secret.public().0);
    let payee =
        Responder::heard(&hello, &secret, &mut LinkEntropy::new([0x02; 32])).expect("reads");
    let accepted = payee.answer(vectors.air("offer")).expect("it fits");
    vectors.assert("heard_flight_2", &accepted.flight);
    vectors.assert("heard_hash", &accepted.hash.0);

    let mut dialled = payer.handle_answer(&accepted.flight).expect("authentic");
    assert_eq!(dialled.payload, vectors.air("offer"));
    let nonce = nonce.open();
    vectors.assert("heard_payer_nonce", &nonce.0);
    let code = Code::new(&dialled.hash, &nonce, &PayeeNonce([0x22; 32]));
    assert_eq!(code.to_string(), vectors.text("heard_code"));
    let sealed = dialled.channel.seal(vectors.air("held")).expect("it fits");
    vectors.assert("heard_first_sealed", &sealed);
}

#[test]
fn the_scanned_session_is_frozen() {
    let vectors = Vectors::read();
    let uri = uri(None);
    let (payer, first) = Initiator::scanned(
        &Info::own(),
        uri.tag,
        &uri.payee,
        &uri.secret,
        &mut LinkEntropy::new([0x01; 32]),
    )
    .expect("it begins");
    vectors.assert("scanned_flight_1", &first);

    let hello = Hello::parse(&first).expect("well formed");
    let secret = NoiseSecret::from_bytes([0x77; 32]);
    let mut entropy = LinkEntropy::new([0x02; 32]);
    let payee = Responder::scanned(&hello, &secret, &uri.secret, &mut entropy).expect("reads");
    let accepted = payee.answer(vectors.air("offer")).expect("it fits");
    vectors.assert("scanned_flight_2", &accepted.flight);
    vectors.assert("scanned_hash", &accepted.hash.0);

    let mut dialled = payer.handle_answer(&accepted.flight).expect("authentic");
    let sealed = dialled.channel.seal(vectors.air("held")).expect("it fits");
    vectors.assert("scanned_first_sealed", &sealed);
}

#[test]
fn uris_are_frozen() {
    let vectors = Vectors::read();
    let hint = AmountHint {
        amount: crate::kit::amount(1250),
        currency: "EUR".parse().expect("a code"),
    };
    for (name, uri) in [("uri", uri(None)), ("uri_with_hint", uri(Some(hint)))] {
        let text = vectors.text(name);
        assert_eq!(*uri.to_text(), text);
        let read: PaymentUri = text.parse().expect("canonical");
        assert_eq!(
            (read.tag, read.payee, read.hint),
            (uri.tag, uri.payee, uri.hint)
        );
        assert!(read.secret.is_same(&uri.secret));
    }
}

fn holding() -> Holding {
    let version = |epoch, number| ListVersion { epoch, number };
    let lists = vec![HeldList {
        provider: ProviderId([0xc1; 16]),
        version: version(1, 7),
        gathering: Some(Gathering {
            version: version(2, 300),
            next: 5,
        }),
    }];

    Holding {
        directory: version(1, 2),
        lists: lists.try_into().expect("few"),
    }
}

fn uri(hint: Option<AmountHint>) -> PaymentUri {
    PaymentUri {
        tag: TAG,
        payee: NoiseSecret::from_bytes([0x77; 32]).public(),
        secret: UriSecret::from_bytes([0x88; 16]),
        hint,
    }
}

/// Both vector files, by name.
struct Vectors {
    signed: BTreeMap<String, Vec<u8>>,
    air: BTreeMap<String, Vec<u8>>,
    texts: BTreeMap<String, String>,
}

impl Vectors {
    fn read() -> Self {
        let mut vectors = Self {
            signed: BTreeMap::new(),
            air: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut name = "";
        for line in lines(SIGNED).filter(|line| !line.starts_with("hash ")) {
            if let Some(next) = line.strip_prefix("message ") {
                name = next;
                continue;
            }
            let bytes = hex::decode(field(line)).expect("hex");
            vectors
                .signed
                .entry(name.to_owned())
                .or_default()
                .extend(bytes);
        }
        for line in lines(AIR) {
            if let Some(next) = line.strip_prefix("message ") {
                name = next;
                continue;
            }
            if let Some(text) = line.strip_prefix("text ") {
                vectors.texts.insert(name.to_owned(), text.to_owned());
                continue;
            }
            let bytes = match field(line).strip_prefix('@') {
                Some(signed) => with_length(&vectors.signed[signed]),
                None => hex::decode(field(line)).expect("hex"),
            };
            vectors
                .air
                .entry(name.to_owned())
                .or_default()
                .extend(bytes);
        }
        vectors
    }

    fn signed<T: Body>(&self, name: &str) -> Signed<T> {
        Signed::decode(&self.signed[name]).expect("well formed")
    }

    fn air(&self, name: &str) -> &[u8] {
        self.air.get(name).map(Vec::as_slice).expect(name)
    }

    fn text(&self, name: &str) -> &str {
        &self.texts[name]
    }

    fn assert(&self, name: &str, bytes: &[u8]) {
        assert_eq!(hex::encode(bytes), hex::encode(self.air(name)), "{name}");
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn field(line: &str) -> &str {
    line.split_once("  ").expect("a field and what it is").0
}

/// The length as a varint, then the bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut out = ops_proto::signed::encode(&bytes.len());
    out.extend_from_slice(bytes);
    out
}
