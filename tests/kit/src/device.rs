//! A device: state directory, TA, journal, wallet, simulated radio.

#![expect(
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by a panic, and its sums are small"
)]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use journal::{Fact, Journal, PowerCut};
use ops_proto::contract::{Answer, Command, Output, TaRefused};
use ops_proto::id::CommandId;
use radio::sockets::{SimAir, SimRadio};
use runtime::clock;
use runtime::shutdown::Shutdown;
use ta_sim::{FileStorage, OsEntropy, Ta};
use wallet::identity::Identity;
use wallet::lists::Lists;
use wallet::ta::{AnyTa, TaConnector, TaUnreachable};
use wallet::{
    Asks, Mode, OpenedRequest, PaymentEvent, PaymentOrder, RequestOrder, Target, Wallet,
    WalletParts,
};

use super::{Bank, amount};

/// Whether a device has a TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    WithTa,
    WithoutTa,
}

pub struct Device {
    pub wallet: Wallet,
    pub radio: Arc<SimRadio>,
    shutdown: Shutdown,
    dir: PathBuf,
    air: SimAir,
    kind: Kind,
}

/// What goes wrong in the life of a device's process.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// When the journal's disk goes.
    pub cut: PowerCut,
    /// When the TA's answer is lost.
    pub ta: TaFault,
}

/// When a TA does not answer, once; it is there again at the next session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaFault {
    Never,
    /// Before the n-th command of the first session takes effect; 1 is the first.
    Before(u32),
    /// After it has.
    After(u32),
    /// After the first command with a PIN has taken effect.
    AfterPin,
    /// It takes longer to pay than a daemon that stops can wait.
    SlowPay,
}

impl Faults {
    pub const NONE: Self = Self {
        cut: PowerCut::Never,
        ta: TaFault::Never,
    };
}

impl Device {
    /// Makes a registered device in `world/name`, with 100.00 in its TA if it has one.
    pub async fn new(bank: &Bank, world: &Path, name: &str, kind: Kind) -> Self {
        Self::in_air(bank, SimAir::new(world.join("air")), world, name, kind).await
    }

    /// As [`Self::new`], in another than the perfect air.
    pub async fn in_air(bank: &Bank, air: SimAir, world: &Path, name: &str, kind: Kind) -> Self {
        let device = Self::start(world.join(name), air, kind, Faults::NONE).await;
        device.register(bank, name).await;

        device
    }

    /// Starts a device from what is on its disk.
    pub async fn start(dir: PathBuf, air: SimAir, kind: Kind, faults: Faults) -> Self {
        std::fs::create_dir_all(&dir).expect("a directory");
        let shutdown = Shutdown::new();
        let radio = Arc::new(SimRadio::start(
            air.clone(),
            &shutdown.tasks(),
            shutdown.stop(),
        ));
        let journal = Journal::open_until(&dir, faults.cut).expect("a journal");
        let wallet = Wallet::start(WalletParts {
            journal,
            identity: Identity::open(&dir).expect("a key"),
            ta: (kind == Kind::WithTa).then(|| connector(dir.join("ta"), faults.ta)),
            lists: Lists::open(&dir).expect("the lists"),
            radio: Arc::<SimRadio>::clone(&radio),
            shutdown: shutdown.clone(),
            scan_daily_max: Some(amount(5000)),
        })
        .await
        .expect("a wallet");

        Self {
            wallet,
            radio,
            shutdown,
            dir,
            air,
            kind,
        }
    }

    /// Stops the device as far as its process can tell; what is on its disk stays.
    pub async fn stop(self) -> Stopped {
        self.shutdown.join().await.expect("every task ends");

        Stopped {
            dir: self.dir,
            air: self.air,
            kind: self.kind,
        }
    }

    pub async fn balance(&self) -> u64 {
        let state = self.wallet.status().await.ta_state;

        state.map_or(0, |state| state.balance.minor_units())
    }

    pub async fn request(&self, minor_units: u64, mode: Mode) -> OpenedRequest {
        self.wallet
            .open_request(RequestOrder {
                amount: amount(minor_units),
                memo: "two coffees".to_owned(),
                validity: None,
                mode,
                replaces: None,
                refund_of: None,
            })
            .await
            .expect("a request")
    }

    /// Hashes of the payments that came.
    pub fn incoming(&self) -> Vec<ops_proto::PaymentPair> {
        self.wallet
            .journal()
            .view(|book| book.incoming().map(|(_, held)| held.pair.clone()).collect())
    }

    /// Payments that were signed.
    pub fn outgoing(&self) -> Vec<ops_proto::PaymentPair> {
        self.wallet.journal().view(|book| {
            book.outgoing()
                .filter_map(|(_, payment)| payment.pair.clone())
                .collect()
        })
    }

    pub fn receipts(&self) -> usize {
        self.wallet.journal().view(|book| {
            book.outgoing()
                .filter(|(_, payment)| payment.receipt.is_some())
                .count()
        })
    }

    async fn register(&self, bank: &Bank, name: &str) {
        let journal = self.wallet.journal();
        let client = self.wallet.identity().public_key();
        let facts = vec![
            Fact::Enrolled(Box::new(bank.enrolled())),
            Fact::ClientKeyMade {
                client,
                name: name.parse().expect("a name"),
            },
            Fact::ClientRegistered(Box::new(bank.certify_client(client, name))),
        ];
        journal.append(facts).await.expect("appended");
        let Some(ta) = self.wallet.ta() else {
            return;
        };
        let root = bank.root();
        let Ok(Output::Initialised { ta: key }) = ta.invoke(Command::Init { root }).await else {
            panic!("the TA makes its key");
        };
        let chain = bank.certify_ta(key, name);
        journal
            .append(vec![Fact::TaRegistered(Box::new(chain.clone()))])
            .await
            .expect("appended");
        let take = Command::CertInit {
            provider: chain.provider,
            certificate: chain.leaf,
            now: clock::now(),
        };
        ta.invoke(take).await.expect("certified");
        self.deposit(bank, 10_000).await;
    }

    async fn deposit(&self, bank: &Bank, minor_units: u64) {
        let journal = self.wallet.journal();
        let ta = self.wallet.ta().expect("a TA");
        let command = CommandId([7; 16]);
        let amount = amount(minor_units);
        let intent = Fact::DepositIntent { command, amount };
        journal.append(vec![intent]).await.expect("appended");
        let open = Command::DepositOpen { command, amount };
        let Ok(Output::DepositOpened(open)) = ta.invoke(open).await else {
            panic!("the TA opens the deposit");
        };
        let answer = bank.grant(&open);
        let answered = Fact::DepositAnswered(answer.clone());
        journal.append(vec![answered]).await.expect("appended");
        ta.invoke(Command::DepositClose { answer })
            .await
            .expect("closed");
    }
}

/// A device whose power is off.
pub struct Stopped {
    dir: PathBuf,
    air: SimAir,
    kind: Kind,
}

impl Stopped {
    /// Puts a new TA in place of the previous one, whose state is kept beside it.
    pub fn with_new_ta(self) -> Self {
        let ta = self.dir.join("ta");
        std::fs::rename(&ta, self.dir.join("ta.ended")).expect("moved away");

        self
    }

    /// Puts the previous TA back in place of the new one.
    pub fn with_ended_ta(self) -> Self {
        let ta = self.dir.join("ta");
        std::fs::rename(&ta, self.dir.join("ta.new")).expect("moved away");
        std::fs::rename(self.dir.join("ta.ended"), &ta).expect("moved back");

        self
    }

    /// Puts another new TA in place.
    pub fn with_another_ta(self) -> Self {
        let ta = self.dir.join("ta");
        std::fs::rename(&ta, self.dir.join("ta.copied")).expect("moved away");

        self
    }

    /// Copies the TA's state, as a thief or a careless backup would.
    pub fn copy_ta(&self) {
        let copy = self.dir.join("ta.copy");
        std::fs::create_dir_all(&copy).expect("a directory");
        for entry in std::fs::read_dir(self.dir.join("ta")).expect("a directory") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
        }
    }

    /// Rolls the TA back to the copy.
    pub fn with_copied_ta(self) -> Self {
        let ta = self.dir.join("ta");
        std::fs::rename(&ta, self.dir.join("ta.ended")).expect("moved away");
        std::fs::rename(self.dir.join("ta.copy"), &ta).expect("moved back");

        self
    }

    pub async fn start(self) -> Device {
        self.start_with(Faults::NONE).await
    }

    pub async fn start_until(self, cut: PowerCut) -> Device {
        self.start_with(Faults {
            cut,
            ..Faults::NONE
        })
        .await
    }

    pub async fn start_with(self, faults: Faults) -> Device {
        Device::start(self.dir, self.air, self.kind, faults).await
    }
}

/// Pays as a person does who approves what is shown; returns the last event.
pub async fn pay(payer: &Device, target: Target) -> PaymentEvent {
    let order = PaymentOrder {
        target,
        expected: None,
        asks: Asks::Always,
        search: PaymentOrder::SEARCH_DEFAULT,
        pin: None,
    };
    let mut handle = payer.wallet.start_payment(order).await.expect("started");
    let controls = handle.controls();
    let mut last = None;
    while let Some(event) = handle.next().await {
        if let PaymentEvent::Locked { .. } = event {
            assert!(controls.approve(None));
        }
        last = Some(event);
    }

    last.expect("a last event")
}

/// Waits for an outcome, which does not come any more when the power of the journal that it needs goes.
pub async fn unless_power_goes<T>(device: &Device, outcome: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        outcome = outcome => Some(outcome),
        () = device.wallet.journal().ended() => None,
    }
}

/// Waits until it is so, at most 300 s.
pub async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let so = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(300), so)
            .await
            .is_ok(),
        "not so within 300 s: {what}"
    );
}

/// Checks promises 1, 2 and 6 over two devices with TAs at rest: money is conserved, each P is debited
/// and credited once with the same bytes, and each receipt is for a payment that the payee holds.
pub async fn conserved(payer: &Device, payee: &Device, total: u64) {
    let (outgoing, incoming) = (payer.outgoing(), payee.incoming());
    let paid: u64 = sum(&outgoing);
    assert_eq!(payer.balance().await, 10_000 - paid, "debited once");
    assert_eq!(payer.balance().await + payee.balance().await, total);
    for pair in &incoming {
        assert!(outgoing.contains(pair), "the same bytes");
    }
    assert_eq!(outgoing.len(), incoming.len());
    assert_eq!(payer.receipts(), outgoing.len());
    for device in [payer, payee] {
        let contradictions = device
            .wallet
            .journal()
            .view(|book| book.contradictions().to_vec());
        assert_eq!(contradictions, Vec::<u64>::new());
    }
}

fn sum(pairs: &[ops_proto::PaymentPair]) -> u64 {
    pairs
        .iter()
        .map(|pair| pair.payment.body().amount.minor_units())
        .sum()
}

fn connector(dir: PathBuf, fault: TaFault) -> TaConnector {
    let mut next_fault = fault;
    TaConnector::new(move || {
        let unreachable = |error: &dyn std::error::Error| TaUnreachable(error.to_string());
        let storage =
            FileStorage::open(&dir, None, &mut OsEntropy).map_err(|error| unreachable(&error))?;
        let ta = Ta::open(storage, OsEntropy).map_err(|error| unreachable(&error))?;
        let fault = std::mem::replace(&mut next_fault, TaFault::Never);
        let ta: Box<dyn AnyTa> = Box::new(Unreliable {
            ta,
            fault,
            commands: 0,
        });

        Ok(ta)
    })
}

/// A TA whose answer is lost once: the world's fault, not the TA's.
struct Unreliable {
    ta: Ta<FileStorage, OsEntropy>,
    fault: TaFault,
    commands: u32,
}

impl AnyTa for Unreliable {
    fn invoke_any(&mut self, command: Command) -> Result<Result<Answer, TaRefused>, TaUnreachable> {
        self.commands += 1;
        let lost = || TaUnreachable("lost".to_owned());
        if self.fault == TaFault::Before(self.commands) {
            return Err(lost());
        }
        if self.fault == TaFault::SlowPay && matches!(command, Command::Pay { .. }) {
            std::thread::sleep(Duration::from_secs(5));
        }
        let has_pin = command.carries_pin();
        let answer = self.ta.invoke_any(command);
        if self.fault == TaFault::After(self.commands) {
            return Err(lost());
        }
        if self.fault == TaFault::AfterPin && has_pin {
            return Err(lost());
        }

        answer
    }
}
