//! What a payment costs beside the signatures that it cannot do without: `TA.Pay` and `PayVerify`.
//!
//! `cargo bench --package ta-sim` shows each alone, measured by criterion, and ends with the ratios. The
//! ratios are taken from rounds that alternate between the whole and its signatures, so that a machine
//! that slows down meanwhile changes neither. Nothing here fails because it was slow.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_in_result,
    clippy::wildcard_enum_match_arm,
    dead_code,
    unused_imports,
    reason = "the world of the tests, of which a benchmark needs a part"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::alloc::System;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use criterion::Criterion;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use ops_proto::certificate::{Certificate, Limits};
use ops_proto::contract::{Command, Output, TrustedApplication as _};
use ops_proto::id::RequestId;
use ops_proto::key::{PublicKey, SecretKey};
use ops_proto::list::List;
use ops_proto::message::{ListsHeld, NoiseKey, RequestPayment};
use ops_proto::pay_verify::{PaymentPair, pay_verify};
use ops_proto::signed::{Body, SIGNATURE_SIZE, Signed};
use ops_proto::time::Validity;
use ops_proto::{Digest, Signature};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use ta_sim::{Entropy, Ta};
use world::{Bank, Device, Disk, LIMITS, NOW, Repeatable, amount};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Payments of one TA, on one token.
const PAYMENTS: u64 = 16;

/// TAs, for the ratios.
const TAS: u64 = 60;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let scene = Scene::new();
    let pair = scene.pairs(1).remove(0);
    criterion.bench_function("PayVerify", |bencher| {
        bencher.iter(|| scene.pay_verify(black_box(&pair)));
    });
    let bare = Bare::of_pay_verify(&scene, &pair);
    criterion.bench_function("PayVerify, its 6 signatures alone", |bencher| {
        bencher.iter(|| bare.run());
    });
    criterion.bench_function("TA.Pay, storage aside", |bencher| {
        bencher.iter_custom(|count| scene.pay_for(count));
    });
    let bare = Bare::of_pay(&scene, &pair);
    criterion.bench_function("TA.Pay, its 3 + 1 signatures alone", |bencher| {
        bencher.iter(|| bare.run());
    });
    criterion.final_summary();
    ratios(&scene);
}

/// Prints what remains when both are measured in turns.
fn ratios(scene: &Scene) {
    let (mut pay, mut bare_pay, mut verify, mut bare_verify) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for seed in 1..=TAS {
        for (pair, taken) in scene.pay_all(seed) {
            pay.push(taken);
            bare_pay.push(time(|| Bare::of_pay(scene, &pair), Bare::run));
            verify.push(time(|| pair.clone(), |pair| scene.pay_verify(pair)));
            bare_verify.push(time(|| Bare::of_pay_verify(scene, &pair), Bare::run));
        }
    }
    let pair = scene.pairs(1).remove(0);
    let region = Region::new(ALLOCATOR);
    scene.pay_verify(&pair);
    let of_verify = region.change().allocations;
    let mut out = std::io::stdout().lock();
    let mut line = |text: String| writeln!(out, "{text}").expect("somebody reads the output");
    line(format!(
        "TA.Pay, storage aside: {:?}, its signatures alone {:?}, ratio {:.3}; {} allocations",
        median(&mut pay),
        median(&mut bare_pay),
        ratio(&mut pay, &mut bare_pay),
        scene.allocations_of_pay()
    ));
    line(format!(
        "PayVerify: {:?}, its signatures alone {:?}, ratio {:.3}; {of_verify} allocations",
        median(&mut verify),
        median(&mut bare_verify),
        ratio(&mut verify, &mut bare_verify),
    ));
}

fn time<T>(make: impl FnOnce() -> T, run: impl FnOnce(&T)) -> Duration {
    let input = make();
    let begun = Instant::now();
    run(black_box(&input));

    begun.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();

    times[times.len() / 2]
}

fn ratio(whole: &mut [Duration], part: &mut [Duration]) -> f64 {
    median(whole).as_secs_f64() / median(part).as_secs_f64()
}

/// A provider, a payee without a TA, and payers.
struct Scene {
    bank: Bank,
    payee: SecretKey,
    payee_certificate: Signed<Certificate>,
}

impl Scene {
    fn new() -> Self {
        let limits = Limits {
            paid_count: world::bound(PAYMENTS * 2),
            ..LIMITS()
        };
        let bank = Bank::with_limits(1, limits);
        let payee = SecretKey::from_seed(&[9; 32]);
        let payee_certificate = bank.certify_client(payee.public_key());

        Self {
            bank,
            payee,
            payee_certificate,
        }
    }

    fn request(&self, id: u64) -> Signed<RequestPayment> {
        let body = RequestPayment {
            payee: self.payee_certificate.clone(),
            request_id: RequestId(id),
            amount: amount(1),
            currency: self.payee_certificate.body().currency,
            noise_key: NoiseKey([8; 32]),
            memo_hash: Digest::ZERO,
            issued: NOW,
            validity: Validity::try_from(60_000).expect("a minute"),
            lists_held: ListsHeld {
                providers: List::empty(),
                ..ListsHeld::default()
            },
            replaces: None,
            refund_of: None,
        };

        Signed::sign(body, &self.payee)
    }

    /// Opens the TA of a device with money on it, which says when it begins to store.
    fn payer(&self, seed: u64) -> (Ta<Disk, Clocked>, Clocked) {
        let mut device = Device::funded(seed, &self.bank, 1_000);
        device.acknowledge();
        let clock = Clocked::new(seed);
        let mut ta = Ta::open(device.disk.clone(), clock.clone()).expect("it was stored");
        let mark = device.mark;
        ta.invoke(Command::OperationsSince { mark })
            .expect("the disk has power")
            .expect("the mark is its own");

        (ta, clock)
    }

    /// Has one TA pay, and returns each payment with the time before it was stored.
    fn pay_all(&self, seed: u64) -> Vec<(PaymentPair, Duration)> {
        let (mut ta, clock) = self.payer(seed);

        (1..=PAYMENTS)
            .map(|id| {
                let command = self.pay_command(id);
                let begun = Instant::now();
                let pair = pay(&mut ta, command);
                (pair, clock.last().duration_since(begun))
            })
            .collect()
    }

    fn pay_command(&self, id: u64) -> Command {
        Command::Pay {
            request: self.request(id),
            payee_provider: self.bank.certificate.clone(),
            now: NOW,
            pin: None,
        }
    }

    fn pairs(&self, seed: u64) -> Vec<PaymentPair> {
        self.pay_all(seed)
            .into_iter()
            .map(|(pair, _)| pair)
            .collect()
    }

    /// Returns the time of `count` payments, storage aside.
    fn pay_for(&self, count: u64) -> Duration {
        let mut taken = Duration::ZERO;
        for seed in 0..count.div_ceil(PAYMENTS) {
            let left = usize::try_from(count - seed * PAYMENTS).unwrap_or(usize::MAX);
            let times = self.pay_all(seed + 1);
            taken += times
                .iter()
                .take(left)
                .map(|(_, taken)| *taken)
                .sum::<Duration>();
        }

        taken
    }

    /// Returns the allocations of one payment, until it was stored and answered.
    fn allocations_of_pay(&self) -> usize {
        let (mut ta, _) = self.payer(1);
        let command = self.pay_command(1);
        let region = Region::new(ALLOCATOR);
        black_box(pay(&mut ta, command));

        region.change().allocations
    }

    fn pay_verify(&self, pair: &PaymentPair) {
        let provider = &self.bank.certificate;
        let root = self.bank.root_key();
        pay_verify(&root, pair, provider, provider).expect("PayVerify = 1");
    }
}

fn pay(ta: &mut Ta<Disk, Clocked>, command: Command) -> PaymentPair {
    let answer = ta.invoke(command).expect("the disk has power");
    match answer.map(|answer| answer.output) {
        Ok(Output::Paid(pair)) => pair,
        other => panic!("Pay answered {other:?}"),
    }
}

/// Randomness that notes when it was last asked for: a TA asks for a nonce right before it stores.
#[derive(Clone, Debug)]
struct Clocked {
    random: Repeatable,
    last: Arc<Mutex<Option<Instant>>>,
}

impl Clocked {
    fn new(seed: u64) -> Self {
        Self {
            random: Repeatable::new(seed * 7_000_000),
            last: Arc::default(),
        }
    }

    fn last(&self) -> Instant {
        let last = self.last.lock().expect("nobody panics with it");

        last.expect("the TA asked for a nonce")
    }
}

impl Entropy for Clocked {
    fn fill(&mut self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.random.fill(bytes)?;
        *self.last.lock().expect("nobody panics with it") = Some(Instant::now());

        Ok(())
    }
}

/// Signature operations and nothing else: the messages are there already.
struct Bare {
    verified: Vec<([u8; 32], Vec<u8>, [u8; SIGNATURE_SIZE])>,
    signed: Option<(SigningKey, Vec<u8>)>,
}

impl Bare {
    fn of_pay_verify(scene: &Scene, pair: &PaymentPair) -> Self {
        let mut verified = Self::of_request(scene, &pair.request);
        let sender = &pair.payment.body().sender;
        let provider = &scene.bank.certificate;
        verified.push(part(provider, scene.bank.root_key()));
        verified.push(part(sender, provider.body().subject));
        verified.push(part(&pair.payment, sender.body().subject));

        Self {
            verified,
            signed: None,
        }
    }

    fn of_pay(scene: &Scene, pair: &PaymentPair) -> Self {
        let (_, message, _) = part(&pair.payment, pair.sender_key());

        Self {
            verified: Self::of_request(scene, &pair.request),
            signed: Some((SigningKey::from_bytes(&[3; 32]), message)),
        }
    }

    fn of_request(
        scene: &Scene,
        request: &Signed<RequestPayment>,
    ) -> Vec<([u8; 32], Vec<u8>, [u8; SIGNATURE_SIZE])> {
        let provider = &scene.bank.certificate;
        let payee = &request.body().payee;

        vec![
            part(provider, scene.bank.root_key()),
            part(payee, provider.body().subject),
            part(request, payee.body().subject),
        ]
    }

    fn run(&self) {
        for (key, message, signature) in &self.verified {
            let key = VerifyingKey::from_bytes(key).expect("it is a key");
            let signature = ed25519_dalek::Signature::from_bytes(signature);
            key.verify_strict(message, &signature).expect("it fits");
        }
        if let Some((key, message)) = &self.signed {
            black_box(key.sign(message));
        }
    }
}

fn part<T: Body>(signed: &Signed<T>, key: PublicKey) -> ([u8; 32], Vec<u8>, [u8; SIGNATURE_SIZE]) {
    let wire = signed.to_wire();
    let body = &wire[..wire.len() - SIGNATURE_SIZE];
    let Signature(signature) = *signed.signature();

    (key.0, [T::DOMAIN, body].concat(), signature)
}
