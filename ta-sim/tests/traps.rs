//! What the seed implementation of this protocol, a phone app, got wrong.

use ops_proto::attestation::Quote;
use ops_proto::certificate::Certificate;
use ops_proto::contract::{Command, Output, TaRefused, TrustedApplication as _};
use ops_proto::id::{Digest, RequestId};
use ops_proto::key::{PublicKey, SecretKey};
use ops_proto::message::{
    DepositOpen, ListsHeld, NoiseKey, Payment, ReceivedPayment, Renew, RequestPayment, Retire,
    Status, Withdraw,
};
use ops_proto::pay_verify::PaymentPair;
use ops_proto::signed::{Body, Malformed, Signed, encode};
use ops_proto::time::{Time, Validity};
use serde::{Deserialize, Serialize};
use ta_sim::Entropy as _;

use crate::world::{Bank, Device, LIMITS, Repeatable, Torn, amount};

/// It signed the first 32 bytes of a key string: a constant header, the same for every key.
#[test]
fn every_byte_of_a_request_and_of_a_payment_is_signed() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(1_000);
    let wire = request.to_wire();
    for i in 0..wire.len() {
        let mut bytes = wire.clone();
        bytes[i] ^= 1;
        let Ok(changed) = Signed::decode(&bytes) else {
            continue;
        };
        assert!(payer.pay(&bank, &changed).is_err(), "byte {i} of R");
    }

    let pair = payer.pay(&bank, &request).expect("it has money");
    let wire = pair.payment.to_wire();
    for i in 0..wire.len() {
        let mut bytes = wire.clone();
        bytes[i] ^= 1;
        let Ok(payment) = Signed::decode(&bytes) else {
            continue;
        };
        let changed = PaymentPair {
            payment,
            request: request.clone(),
        };
        assert!(payee.collect(&bank, &changed).is_err(), "byte {i} of P");
    }
    assert!(payee.collect(&bank, &pair).is_ok());
}

/// It made a new TA key for every payment.
#[test]
fn every_payment_is_signed_by_the_one_certified_key_also_after_a_restart() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let key = payer.key();

    for j in 1..=3 {
        let request = payee.request(100);
        let pair = payer.pay(&bank, &request).expect("it has money");
        assert_eq!(pair.sender_key(), key);
        assert_eq!(pair.payment.body().position.j, j);
        assert!(pair.payment.verify(&key).is_ok());
        payer.start_again();
        payer.begin().expect("the journal is as far as the TA");
    }
}

/// It compared replayed payments by object identity, which is never equal.
#[test]
fn a_payment_that_travelled_again_is_known_by_its_bytes() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(1_000);
    let pair = payer.pay(&bank, &request).expect("it has money");
    let copy = || PaymentPair {
        payment: Signed::decode(&pair.payment.to_wire()).expect("it travelled"),
        request: Signed::decode(&pair.request.to_wire()).expect("it travelled"),
    };

    let first = payee.collect(&bank, &copy()).expect("the id is open");
    payee.start_again();
    payee.begin().expect("the journal is as far as the TA");
    let again = payee.collect(&bank, &copy());

    assert_eq!(again, Ok(first));
    assert_eq!(payee.balance(), 1_000);
}

/// It wrote the debit before it signed, and never rolled it back.
#[test]
fn there_is_no_debit_without_a_payment_and_no_payment_without_a_debit() {
    let bank = Bank::new(1);
    for torn in [Torn::Lost, Torn::Half, Torn::Whole] {
        for step in 0..3 {
            let mut payer = Device::funded(1, &bank, 5_000);
            let mut payee = Device::certified(2, &bank);
            let request = payee.request(1_000);
            payer.disk.cut_after(step);
            let cut = payer.ta.invoke(Command::Pay {
                request: request.clone(),
                payee_provider: bank.certificate.clone(),
                now: crate::world::NOW,
                pin: None,
            });
            assert!(cut.is_err(), "the power went");

            payer.disk.start_again(torn);
            payer.start_again();
            let state = payer.state();
            let paid = 5_000 - state.balance.minor_units();
            assert_eq!(paid, state.paid_total, "{torn:?} at {step}");
            assert_eq!(paid, state.chain.j * 1_000, "{torn:?} at {step}");

            payer.begin().expect("the journal is a past of the TA");
            payer.pay(&bank, &request).expect("it has money");
            assert_eq!(payer.balance(), 4_000, "{torn:?} at {step}");
        }
    }
}

#[test]
fn a_refused_payment_debits_nothing() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 500);
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(1_000);
    let before = payer.state();

    assert_eq!(payer.pay(&bank, &request), Err(TaRefused::Balance));

    assert_eq!(payer.state(), before);
}

/// It took negative amounts, and minted money.
#[test]
fn a_signed_request_for_a_negative_zero_or_overflowing_amount_cannot_be_decoded() {
    let bank = Bank::new(1);
    let key = SecretKey::from_seed(&[5; 32]);
    let sign = |amount: i128| {
        let terms = Device::terms(1);
        let raw = RawRequest {
            payee: bank.certify_client(key.public_key()),
            request_id: RequestId(1),
            amount,
            currency: *b"EUR",
            noise_key: terms.noise_key,
            memo_hash: terms.memo_hash,
            issued: terms.issued,
            validity: terms.validity,
            lists_held: terms.lists_held,
            replaces: None,
            refund_of: None,
        };
        Signed::<RequestPayment>::decode(&Signed::sign(raw, &key).to_wire())
    };

    assert!(sign(1_000).is_ok(), "the layout is that of a request");
    for amount in [0, -1, -1_000, i128::from(u64::MAX), 1_000_000_000_000_001] {
        assert_eq!(sign(amount), Err(Malformed::Encoding), "{amount}");
    }
}

/// It signed whatever it was given; whoever could reach it could forge a payment.
#[test]
fn no_command_signs_bytes_of_the_callers_choice() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let key = payer.key();
    let request = payee.request(100);
    let pair = payer.pay(&bank, &request).expect("it has money");
    // The callers' own 32 bytes are the hash of a payment that nobody made.
    let wanted = Signed::sign(
        Payment {
            amount: amount(4_000),
            ..pair.payment.body().clone()
        },
        &SecretKey::from_seed(&[66; 32]),
    );
    let challenge = wanted.hash().0;
    let client = PublicKey(challenge);
    let Ok(Output::Renewal(renew)) = payer.ask(Command::Renew { challenge }) else {
        panic!("it is certified");
    };
    let Ok(Output::Attested { quote, .. }) = payer.ask(Command::Attest { challenge, client })
    else {
        panic!("it has keys");
    };
    let terms = ops_proto::contract::RequestTerms {
        memo_hash: wanted.hash(),
        noise_key: NoiseKey(challenge),
        refund_of: Some(wanted.hash()),
        ..Device::terms(1)
    };
    let own = payer.request_with(terms).expect("there is room");

    for wire in [renew.to_wire(), quote.to_wire(), own.to_wire()] {
        let signature = *wire.last_chunk::<64>().expect("it is signed");
        let forged = [&wanted.to_wire()[..wanted.to_wire().len() - 64], &signature].concat();
        for bytes in [wire, forged] {
            assert!(!is_signed::<Payment>(&bytes, &key));
            assert!(!is_signed::<DepositOpen>(&bytes, &key));
            assert!(!is_signed::<Withdraw>(&bytes, &key));
            assert!(!is_signed::<Status>(&bytes, &key));
            assert!(!is_signed::<Retire>(&bytes, &key));
            assert!(!is_signed::<ReceivedPayment>(&bytes, &key));
        }
    }
    assert!(is_signed::<Renew>(&renew.to_wire(), &key));
    assert!(!is_signed::<Quote>(&quote.to_wire(), &key), "another key");
}

fn is_signed<T: Body>(wire: &[u8], key: &PublicKey) -> bool {
    Signed::<T>::decode(wire).is_ok_and(|message| message.verify(key).is_ok())
}

/// It had an export of its private key, "for backup".
#[test]
fn no_output_contains_a_key_of_the_ta() {
    let bank = Bank::new(1);
    let mut device = Device::blank(1);
    let mut entropy = Repeatable::new(1_000_000);
    // Every 32 bytes that the TA can have drawn by the end: its seeds are among them.
    let mut drawn = vec![[0; 32]; 200];
    for bytes in &mut drawn {
        entropy.fill(bytes).expect("it never ends");
    }
    let root = bank.root_key();
    device.ask(Command::Init { root }).expect("it is new");
    let key = device.key();
    let is_seed = |seed: &&[u8; 32]| SecretKey::from_seed(seed).public_key() == key;
    assert_eq!(drawn.iter().filter(is_seed).count(), 1, "they are these");

    for output in every_output(&bank, &mut device) {
        let bytes = encode(&output);
        for part in bytes.windows(32) {
            let is_drawn = drawn.iter().any(|secret| secret == part);
            assert!(!is_drawn, "a secret in {output:?}");
        }
    }
}

/// Takes a TA through its whole life.
fn every_output(bank: &Bank, device: &mut Device) -> Vec<Output> {
    device.certify(bank, 1).expect("the chain is good");
    device.deposit(bank, 5_000);
    let mut other = Device::funded(2, bank, 5_000);
    let (own, foreign) = (device.request(100), other.request(200));
    device.pay(bank, &foreign).expect("it has money");
    let pair = other.pay(bank, &own).expect("it has money");
    device.collect(bank, &pair).expect("the id is open");
    device.set_pin(None, "1234", 0).expect("none is set");
    device.sync(bank, 1);
    let order = device.withdraw(100).expect("it has money");
    device
        .acknowledge_withdrawal(bank, &order)
        .expect("it fits");
    let challenge = [1; 32];
    let client = bank.root_key();
    let mut outputs = vec![
        device.ask(Command::Attest { challenge, client }),
        device.ask(Command::Renew { challenge }),
        device.ask(Command::Retire { nonce: [1; 16] }),
        Ok(Output::State(Box::new(device.state()))),
    ];
    device.mark = ops_proto::contract::Mark::START;
    outputs.push(device.begin());

    outputs
        .into_iter()
        .map(|output| output.expect("it is sound"))
        .collect()
}

/// It had no limits, and paid from a wallet that nobody had certified.
#[test]
fn no_payment_without_a_certificate_after_retirement_or_beyond_the_limits() {
    let (bank, mut payer, mut payee) = payer_and_payee();
    let (small, large) = (payee.request(100), payee.request(20_000));
    let mut blank = Device::blank(3);
    assert_eq!(blank.pay(&bank, &small), Err(TaRefused::NotInitialised));
    let root = bank.root_key();
    blank.ask(Command::Init { root }).expect("it is new");
    assert_eq!(blank.pay(&bank, &small), Err(TaRefused::NotCertified));

    assert_eq!(payer.pay(&bank, &large), Err(TaRefused::Balance));
    let tight = ops_proto::certificate::Limits {
        payment_max: amount(99),
        ..LIMITS()
    };
    let mut limited = Device::funded(4, &Bank::with_limits(1, tight), 5_000);
    assert_eq!(limited.pay(&bank, &small), Err(TaRefused::PaymentLimit));

    payer.retire(1).expect("nothing pends");
    assert_eq!(payer.pay(&bank, &small), Err(TaRefused::Retired));
    assert_eq!(payer.balance(), 5_000);
    assert_eq!(payer.state().chain.j, 0);
}

fn payer_and_payee() -> (Bank, Device, Device) {
    let bank = Bank::new(1);
    let payer = Device::funded(1, &bank, 5_000);
    let payee = Device::certified(2, &bank);

    (bank, payer, payee)
}

/// A request in which the amount can be anything that 64 bits can.
struct RawRequest {
    payee: Signed<Certificate>,
    request_id: RequestId,
    amount: i128,
    currency: [u8; 3],
    noise_key: NoiseKey,
    memo_hash: Digest,
    issued: Time,
    validity: Validity,
    lists_held: ListsHeld,
    replaces: Option<RequestId>,
    refund_of: Option<Digest>,
}

impl Serialize for RawRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The two's complement, as a program without unsigned integers would send it.
        let low = self.amount.to_le_bytes();
        let amount = u64::from_le_bytes(low[..8].try_into().expect("8 of 16 bytes"));
        let fields = (
            &self.payee,
            self.request_id,
            amount,
            self.currency,
            self.noise_key,
            self.memo_hash,
            self.issued,
            self.validity,
            &self.lists_held,
            self.replaces,
            self.refund_of,
        );

        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawRequest {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it is only sent"))
    }
}

impl Body for RawRequest {
    const DOMAIN: &'static [u8] = RequestPayment::DOMAIN;
}
