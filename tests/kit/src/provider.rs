//! A provider with books and a desk that answers over HTTP: the world at the other end of sync, which
//! can lose requests and answers, and be restored from a backup. The real server is not under test.

#![expect(
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by a panic, and its sums are small"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use journal::Fact;
use ops_proto::certificate::Kind;
use ops_proto::list::List;
use ops_proto::message::{
    AccountAnswer, AccountQuery, AnswerStamp, Batch, BatchAnswer, DeathAnswer, DepositAnswer,
    DepositOrder, DepositOutcome, ItemOutcome, ListsUpdate, MailboxAnswer, MailboxQuery,
    RegisterTa, Remembered, RememberedAnswer, RememberedItem, Renew, ReportDeath, RetireAnswer,
    RetireOrder, SettlementState, StatusOrder, SyncToken, Withdraw, WithdrawAck,
};
use ops_proto::signed::{Body, decode_canonical, encode};
use ops_proto::statement::Statement;
use ops_proto::{Balance, Digest, PaymentPair, PublicKey, RequestId, Signed, Time};
use runtime::clock;
use runtime::shutdown::Shutdown;
use sync::Sync;
use sync::connectivity;
use tokio::sync::watch;

use super::server::{Answer, Server, Tls};
use super::{Bank, Device};

/// What the online account holds at first.
pub const ONLINE: u64 = 50_000;

/// Pairs in one answer of the mailbox: few, so that devices have to go on asking.
const MAILBOX_PAGE: usize = 2;

const MONTH_MS: u64 = 30 * 24 * 3600 * 1000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It never arrives.
    Request,
    /// It is done, and nobody hears of it.
    Answer,
}

/// What a backup holds.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub online: u64,
    pub shadow: u64,
    pub held: BTreeMap<PublicKey, u64>,
    pub states: BTreeMap<Digest, SettlementState>,
    answers: BTreeMap<Vec<u8>, Vec<u8>>,
    mailbox: Vec<PaymentPair>,
    /// Below this, every request that is not open and was not collected is closed.
    closed: BTreeMap<PublicKey, (RequestId, Vec<RequestId>)>,
    /// Where each TA's chain is known to end, without gaps.
    ends: BTreeMap<PublicKey, u64>,
    incarnation: u32,
    sequence: u64,
}

impl Books {
    fn is_closed(&self, pair: &PaymentPair) -> bool {
        let body = pair.payment.body();
        let closed = self.closed.get(&body.receiver.key);

        closed
            .is_some_and(|(mark, open)| body.request_id < *mark && !open.contains(&body.request_id))
    }
}

/// The provider.
pub struct Provider {
    bank: Mutex<Arc<Bank>>,
    books: Mutex<Books>,
    losses: Mutex<BTreeMap<String, Loss>>,
    told: Mutex<Vec<RememberedItem>>,
    client: Mutex<Option<PublicKey>>,
    breaks_on_withdrawals: AtomicBool,
    asked: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Provider {
    /// Opens the desk; the one device's TA was given 100.00 already.
    pub fn new(bank: &Arc<Bank>) -> Arc<Self> {
        Arc::new(Self {
            bank: Mutex::new(Arc::clone(bank)),
            books: Mutex::new(Books {
                online: ONLINE,
                shadow: 10_000,
                incarnation: 1,
                sequence: 100,
                ..Books::default()
            }),
            losses: Mutex::default(),
            told: Mutex::default(),
            client: Mutex::default(),
            breaks_on_withdrawals: AtomicBool::new(false),
            asked: Mutex::default(),
        })
    }

    pub async fn serve(self: &Arc<Self>) -> Server {
        self.serve_at(&Tls::new(), 0).await
    }

    pub async fn serve_at(self: &Arc<Self>, tls: &Tls, port: u16) -> Server {
        let provider = Arc::clone(self);
        let answer: Arc<Answer> = Arc::new(move |path, body| provider.answer(path, body));

        Server::start(tls, port, answer).await
    }

    /// Loses every request at a path, or its answer, until [`Self::lose_nothing`].
    pub fn lose(&self, path: &str, loss: Loss) {
        let mut losses = self.losses.lock().expect("not poisoned");
        let _before = losses.insert(path.to_owned(), loss);
    }

    pub fn lose_nothing(&self) {
        self.losses.lock().expect("not poisoned").clear();
    }

    pub fn books(&self) -> Books {
        self.lock().clone()
    }

    /// What the owner of the one device has outside of it.
    pub fn outside(&self) -> u64 {
        let books = self.lock();

        books.online + books.held.values().sum::<u64>()
    }

    /// What the owner of the one device has, wherever it is.
    pub fn total(&self, on_device: u64) -> u64 {
        on_device + self.outside()
    }

    /// Goes on from a backup, in a new life.
    pub fn restore(&self, backup: &Books) {
        let mut books = self.lock();
        let incarnation = books.incarnation + 1;
        *books = Books {
            incarnation,
            ..backup.clone()
        };
    }

    /// Goes on as the server of this life, as one that should have been switched off would.
    pub fn relapse(&self, incarnation: u32) {
        self.lock().incarnation = incarnation;
    }

    /// Certifies under other keys from now on.
    pub fn roll_over(&self, bank: Bank) {
        *self.bank.lock().expect("not poisoned") = Arc::new(bank);
    }

    /// Whether a withdrawal that a device remembers makes it fail.
    pub fn breaks_on_withdrawals(&self, breaks: bool) {
        self.breaks_on_withdrawals.store(breaks, Ordering::SeqCst);
    }

    /// Says whose certificate is the client's among those that are renewed.
    pub fn knows_client(&self, client: PublicKey) {
        *self.client.lock().expect("not poisoned") = Some(client);
    }

    pub fn hand_in(&self, pair: PaymentPair) {
        self.lock().mailbox.push(pair);
    }

    /// What a device handed in after a restore.
    pub fn told(&self) -> Vec<RememberedItem> {
        self.told.lock().expect("not poisoned").clone()
    }

    /// The bodies that were sent to a path.
    pub fn asked(&self, path: &str) -> Vec<Vec<u8>> {
        let asked = self.asked.lock().expect("not poisoned");
        let bodies = asked.iter().filter(|(at, _)| at == path);

        bodies.map(|(_, body)| body.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("not poisoned")
    }

    fn bank(&self) -> Arc<Bank> {
        Arc::clone(&self.bank.lock().expect("not poisoned"))
    }

    fn answer(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut asked = self.asked.lock().expect("not poisoned");
        asked.push((path.to_owned(), body.to_vec()));
        drop(asked);
        let losses = self.losses.lock().expect("not poisoned");
        let loss = losses.get(path).copied();
        drop(losses);
        if loss == Some(Loss::Request) {
            return (503, Vec::new());
        }
        if path == "/v1/remembered" && self.breaks_on(body) {
            return (500, Vec::new());
        }
        let answer = self.desk(path, body);
        match (loss, answer) {
            (Some(Loss::Answer), _) => (503, Vec::new()),
            (_, Some(bytes)) => (200, bytes),
            (_, None) => (404, Vec::new()),
        }
    }

    fn breaks_on(&self, body: &[u8]) -> bool {
        let told: Signed<Remembered> = signed(body);
        let mut items = told.body().items.iter();
        let withdraws = items.any(|item| matches!(item, RememberedItem::Withdraw(..)));

        withdraws && self.breaks_on_withdrawals.load(Ordering::SeqCst)
    }

    fn desk(&self, path: &str, body: &[u8]) -> Option<Vec<u8>> {
        let answer = match path {
            "/healthz" => Vec::new(),
            "/v1/challenge" => vec![7; 32],
            "/v1/provider" => self.bank().enrolled().provider.to_wire(),
            "/v1/lists" => encode(&ListsUpdate {
                directory: None,
                pieces: List::default(),
                more: false,
            }),
            "/v1/tas" => self.register_ta(&signed(body)),
            "/v1/renewals" => self.renew(&signed(body)),
            "/v1/reports" | "/v1/claims" => self.batch(body),
            "/v1/account" => self.account(&signed(body)),
            "/v1/deposits" => self.kept(body, Self::deposit),
            "/v1/withdrawals" => self.kept(body, Self::withdraw),
            "/v1/statuses" => self.kept(body, Self::status),
            "/v1/retirements" => self.kept(body, Self::retire),
            "/v1/deaths" => self.death(&signed(body)),
            "/v1/mailbox" => self.mailbox(&signed(body)),
            "/v1/remembered" => self.remember(&signed(body)),
            _ => return None,
        };

        Some(answer)
    }

    /// The same order again gets the same bytes again.
    fn kept(&self, body: &[u8], decide: fn(&Self, &[u8]) -> Vec<u8>) -> Vec<u8> {
        let held = self.lock().answers.get(body).cloned();
        if let Some(answer) = held {
            return answer;
        }
        let answer = decide(self, body);
        let _before = self.lock().answers.insert(body.to_vec(), answer.clone());

        answer
    }

    fn stamp(&self) -> AnswerStamp {
        let mut books = self.lock();
        books.sequence += 1;

        AnswerStamp {
            incarnation: books.incarnation,
            sequence: books.sequence,
        }
    }

    fn sign<T: Body>(&self, body: T) -> Vec<u8> {
        self.bank().answer(body).to_wire()
    }

    fn register_ta(&self, order: &Signed<RegisterTa>) -> Vec<u8> {
        let mut books = self.lock();
        books.shadow = 0;
        drop(books);

        encode(&self.bank().certify_ta(order.body().ta, "Ada"))
    }

    fn renew(&self, order: &Signed<Renew>) -> Vec<u8> {
        let body = order.body();
        order.verify(&body.subject).expect("signed by the subject");
        let client = *self.client.lock().expect("not poisoned");
        let kind = if client == Some(body.subject) {
            Kind::Client
        } else {
            Kind::Ta
        };

        encode(&self.bank().renew(body.subject, kind, body.number + 1))
    }

    fn batch(&self, body: &[u8]) -> Vec<u8> {
        let batch: Batch = decode_canonical(body).expect("a batch");
        let items: Vec<_> = batch.pairs.iter().map(|pair| self.settle(pair)).collect();
        let stamp = self.stamp();

        self.sign(BatchAnswer {
            items: List::try_from(items).expect("not too many"),
            stamp,
        })
    }

    fn settle(&self, pair: &PaymentPair) -> (Digest, ItemOutcome) {
        let mut books = self.lock();
        let hash = pair.hash();
        let state = match pair.payment.body().receiver.kind {
            Kind::Client => SettlementState::Credited,
            Kind::Ta | Kind::Provider => {
                if !books.mailbox.contains(pair) {
                    books.mailbox.push(pair.clone());
                }
                let known = books.states.get(&hash).copied();
                match known.unwrap_or(SettlementState::Waiting) {
                    SettlementState::Waiting if books.is_closed(pair) => {
                        books.online += pair.payment.body().amount.minor_units();
                        SettlementState::Credited
                    }
                    state @ (SettlementState::Waiting
                    | SettlementState::Credited
                    | SettlementState::Collected
                    | SettlementState::Waived) => state,
                }
            }
        };
        let _before = books.states.insert(hash, state);

        (hash, ItemOutcome::Held(state))
    }

    fn account(&self, query: &Signed<AccountQuery>) -> Vec<u8> {
        let (online, shadow) = {
            let books = self.lock();
            (books.online, books.shadow)
        };
        let stamp = self.stamp();

        self.sign(AccountAnswer {
            client: query.body().client,
            currency: "EUR".parse().expect("a currency"),
            online: Balance::from_minor_units(online),
            shadow: Some(Balance::from_minor_units(shadow)),
            stamp,
        })
    }

    fn deposit(&self, body: &[u8]) -> Vec<u8> {
        let order: DepositOrder = decode_canonical(body).expect("an order");
        let open = order.open.body();
        self.move_in(open.amount.minor_units());
        let stamp = self.stamp();

        self.sign(DepositAnswer {
            ta: open.ta,
            i: open.position.i,
            order: order.open.hash(),
            outcome: DepositOutcome::Granted,
            stamp,
        })
    }

    fn move_in(&self, x: u64) {
        let mut books = self.lock();
        books.online -= x;
        books.shadow += x;
    }

    fn move_out(&self, x: u64) {
        let mut books = self.lock();
        books.online += x;
        // one whose TA was reported dead before is paid from what it held
        if books.shadow >= x {
            books.shadow -= x;
            return;
        }
        for held in books.held.values_mut() {
            if *held >= x {
                *held -= x;
                return;
            }
        }
        panic!("more was withdrawn than the TA had");
    }

    fn withdraw(&self, body: &[u8]) -> Vec<u8> {
        let withdraw: Signed<Withdraw> = signed(body);
        let w = withdraw.body();
        withdraw.verify(&w.ta).expect("signed by the TA");
        self.move_out(w.amount.minor_units());
        let stamp = self.stamp();

        self.sign(WithdrawAck {
            ta: w.ta,
            i: w.position.i,
            order: withdraw.hash(),
            stamp,
        })
    }

    /// Takes a chain only without gaps; `None` where it began before the books know.
    fn check_chain(&self, chain: &[Statement], ta: PublicKey, last_n: u64) {
        let mut books = self.lock();
        let end = books.ends.get(&ta).copied();
        let numbers = chain
            .iter()
            .map(|statement| statement.position().n)
            .chain([last_n]);
        let mut before = end;
        for n in numbers {
            if let Some(before) = before {
                assert!(n <= before + 1, "a gap before n = {n}");
            }
            before = Some(before.map_or(n, |before| before.max(n)));
        }
        let _before = books.ends.insert(ta, last_n);
    }

    fn status(&self, body: &[u8]) -> Vec<u8> {
        let order: StatusOrder = decode_canonical(body).expect("an order");
        let status = order.status.body();
        self.check_chain(&order.chain, status.ta, status.position.n);
        let mut books = self.lock();
        for (_, hash) in status.collected.iter() {
            let _before = books.states.insert(*hash, SettlementState::Collected);
        }
        let open: Vec<RequestId> = status.open.iter().copied().collect();
        let _before = books.closed.insert(status.ta, (status.mark, open));
        drop(books);
        let stamp = self.stamp();

        self.sign(SyncToken {
            ta: status.ta,
            status: order.status.hash(),
            nonce: status.nonce,
            time: clock::now(),
            stamp,
        })
    }

    fn retire(&self, body: &[u8]) -> Vec<u8> {
        let order: RetireOrder = decode_canonical(body).expect("an order");
        let last = &order.retire.body().last;
        order.retire.verify(&last.ta).expect("signed by the TA");
        self.check_chain(&order.chain, last.ta, last.position.n);
        let mut books = self.lock();
        assert_eq!(books.shadow, last.balance.minor_units());
        books.online += last.balance.minor_units();
        books.shadow = 0;
        drop(books);
        let stamp = self.stamp();

        self.sign(RetireAnswer {
            ta: last.ta,
            retire: order.retire.hash(),
            paid: last.balance,
            held: Balance::ZERO,
            stamp,
        })
    }

    fn death(&self, report: &Signed<ReportDeath>) -> Vec<u8> {
        let body = report.body();
        report.verify(&body.client).expect("signed by the client");
        let mut books = self.lock();
        let shadow = books.shadow;
        let is_new = !books.held.contains_key(&body.ta);
        if is_new {
            books.shadow = 0;
        }
        let _held = books.held.entry(body.ta).or_insert(shadow);
        let held = books.held.get(&body.ta).copied().unwrap_or(0);
        drop(books);
        let stamp = self.stamp();

        self.sign(DeathAnswer {
            client: body.client,
            ta: body.ta,
            held: Balance::from_minor_units(held),
            paid: Balance::ZERO,
            payable_from: later(),
            stamp,
        })
    }

    fn mailbox(&self, query: &Signed<MailboxQuery>) -> Vec<u8> {
        let body = query.body();
        query.verify(&body.client).expect("signed by the client");
        let all = self.lock().mailbox.clone();
        let after = usize::try_from(body.after).expect("a cursor");
        let page: Vec<_> = all.iter().skip(after).take(MAILBOX_PAGE).cloned().collect();
        let end = after + page.len();
        let next = (end < all.len()).then(|| u64::try_from(end).expect("a cursor"));
        let providers = vec![self.bank().enrolled().provider];
        let stamp = self.stamp();

        self.sign(MailboxAnswer {
            ta: body.ta,
            providers: List::try_from(providers).expect("one"),
            pairs: List::try_from(page).expect("not too many"),
            next,
            stamp,
        })
    }

    fn remember(&self, told: &Signed<Remembered>) -> Vec<u8> {
        let body = told.body();
        told.verify(&body.client).expect("signed by the client");
        for item in body.items.iter() {
            self.told.lock().expect("not poisoned").push(item.clone());
            self.book_again(item);
        }
        let stamp = self.stamp();

        self.sign(RememberedAnswer {
            client: body.client,
            known: u64::try_from(body.items.len()).expect("few"),
            stamp,
        })
    }

    fn book_again(&self, item: &RememberedItem) {
        let (order, answer) = match item {
            RememberedItem::Certificate(_) | RememberedItem::DenyList(_) => return,
            RememberedItem::Deposit(order, answer) => (encode(order), answer.to_wire()),
            RememberedItem::Withdraw(order, answer) => (order.to_wire(), answer.to_wire()),
            RememberedItem::Token(status, token) => {
                let n = status.body().position.n;
                let _before = self.lock().ends.insert(status.body().ta, n);
                (status.to_wire(), token.to_wire())
            }
            RememberedItem::Retire(order, answer) => (order.to_wire(), answer.to_wire()),
        };
        let known = self.lock().answers.insert(order, answer).is_some();
        if known {
            return;
        }
        match item {
            RememberedItem::Deposit(order, _) => {
                // the first one was given before this provider opened its desk
                if order.open.body().position.i > 1 {
                    self.move_in(order.open.body().amount.minor_units());
                }
            }
            RememberedItem::Withdraw(withdraw, _) => {
                self.move_out(withdraw.body().amount.minor_units());
            }
            RememberedItem::Certificate(_)
            | RememberedItem::DenyList(_)
            | RememberedItem::Token(..)
            | RememberedItem::Retire(..) => {}
        }
    }
}

/// A device's sync at work.
pub struct Online {
    pub sync: Sync,
    shutdown: Shutdown,
}

impl Online {
    pub async fn stop(self) {
        self.shutdown.join().await.expect("stops");
    }
}

/// Enrols a device with the server and starts its sync.
pub async fn enrol(device: &Device, server: &Server, bank: &Bank) -> Online {
    let enrolled = Fact::Enrolled(Box::new(server.enrolled(bank)));
    let journal = device.wallet.journal();
    journal.append(vec![enrolled]).await.expect("appended");

    go_online(device)
}

/// Starts the sync of a device that is enrolled.
pub fn go_online(device: &Device) -> Online {
    let shutdown = Shutdown::new();
    let (_, uses_ta) = watch::channel(true);
    let hints = connectivity::watch(&shutdown);
    let sync = Sync::start(device.wallet.clone(), uses_ta, hints, &shutdown);

    Online { sync, shutdown }
}

fn signed<T: Body>(body: &[u8]) -> Signed<T> {
    Signed::decode(body).expect("a signed message")
}

fn later() -> Time {
    clock::now().saturating_add_ms(MONTH_MS)
}
