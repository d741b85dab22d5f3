//! A device as the server sees it: a client key and a TA that signs what it is told to, honest or not.

mod ends;

use std::collections::BTreeMap;

use ops_proto::attestation::{DeviceCertificate, Quote};
use ops_proto::certificate::Certificate;
use ops_proto::id::RequestId;
use ops_proto::list::List;
use ops_proto::message::{
    AccountQuery, CertificateChain, DepositAnswer, DepositOpen, DepositOrder, DepositOutcome,
    Endorsement, ListsHeld, NoiseKey, Payment, Receiver, RegisterClient, RegisterTa,
    RequestPayment, Status, StatusOrder, SyncToken, Withdraw,
};
use ops_proto::signed::Signed;
use ops_proto::statement::{ChainEnd, Moves, Statement};
use ops_proto::time::Validity;
use ops_proto::{Balance, Digest, PaymentPair, PublicKey, SecretKey, Time};

use super::{Refused, World, amount, decode, now};

pub(crate) fn oem_root() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(crate) fn measurement() -> Digest {
    Digest::of(&[b"the TA of these tests"])
}

/// A device. Cloning one and going on with both is what a rolled-back TA does.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    client_seed: [u8; 32],
    ta_seed: [u8; 32],
    pub(crate) client_certificate: Option<Signed<Certificate>>,
    pub(crate) ta_certificate: Option<Signed<Certificate>>,
    pub(crate) chain: ChainEnd,
    pub(crate) balance: u64,
    /// Every statement since the last token's status.
    pub(crate) since_token: Vec<Statement>,
    pub(crate) open_ids: Vec<RequestId>,
    pub(crate) collected: Vec<(RequestId, Digest)>,
    /// What each payment brought that was ever collected, in minor units.
    amounts: BTreeMap<Digest, u64>,
    next_id: u64,
    deposit: Option<Signed<DepositOpen>>,
    status: Option<Signed<Status>>,
}

impl Device {
    pub(crate) fn new(name: &str) -> Self {
        let seed = || {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).unwrap();
            seed
        };

        Self {
            name: name.to_owned(),
            client_seed: seed(),
            ta_seed: seed(),
            client_certificate: None,
            ta_certificate: None,
            chain: ChainEnd::START,
            balance: 0,
            since_token: Vec::new(),
            open_ids: Vec::new(),
            collected: Vec::new(),
            amounts: BTreeMap::new(),
            next_id: 1,
            deposit: None,
            status: None,
        }
    }

    pub(crate) fn client(&self) -> SecretKey {
        SecretKey::from_seed(&self.client_seed)
    }

    pub(crate) fn client_key(&self) -> PublicKey {
        self.client().public_key()
    }

    pub(crate) fn ta(&self) -> SecretKey {
        SecretKey::from_seed(&self.ta_seed)
    }

    pub(crate) fn ta_key(&self) -> PublicKey {
        self.ta().public_key()
    }

    /// The same client with another TA.
    pub(crate) fn with_ta_of(&self, other: &Self) -> Self {
        Self {
            ta_seed: other.ta_seed,
            ..self.clone()
        }
    }

    pub(crate) fn sign_register_client(&self, challenge: [u8; 32]) -> Vec<u8> {
        let body = RegisterClient {
            client: self.client_key(),
            name: self.name.parse().unwrap(),
            challenge,
        };

        Signed::sign(body, &self.client()).to_wire()
    }

    pub(crate) fn sign_query(&self, challenge: [u8; 32]) -> Vec<u8> {
        let query = AccountQuery {
            client: self.client_key(),
            challenge,
        };

        Signed::sign(query, &self.client()).to_wire()
    }

    pub(crate) async fn register_client(&mut self, world: &World) -> Result<Vec<u8>, Refused> {
        let challenge = world.challenge(self.client_key()).await;
        let bytes = world
            .post("/v1/clients", self.sign_register_client(challenge))
            .await?;
        let chain: CertificateChain = decode(&bytes);
        self.client_certificate = Some(chain.leaf);

        Ok(bytes)
    }

    pub(crate) fn quote(&self, challenge: [u8; 32]) -> Quote {
        Quote {
            ta: self.ta_key(),
            measurement: measurement(),
            challenge,
            client: self.client_key(),
        }
    }

    pub(crate) fn sign_register_ta(&self, quote: Quote, oem_root: &SecretKey) -> Vec<u8> {
        let attestation = SecretKey::from_seed(&[2; 32]);
        let device = DeviceCertificate {
            device: attestation.public_key(),
            model: "test device".parse().unwrap(),
            issuer: oem_root.public_key().id(),
            not_before: Time::from_ms(0),
            not_after: Time::from_ms(u64::MAX),
        };
        let body = RegisterTa {
            client: self.client_key(),
            ta: self.ta_key(),
            challenge: quote.challenge,
            device: Signed::sign(device, oem_root),
            quote: Signed::sign(quote, &attestation),
        };

        Signed::sign(body, &self.client()).to_wire()
    }

    pub(crate) async fn register_ta(&mut self, world: &World) -> Result<Vec<u8>, Refused> {
        let challenge = world.challenge(self.client_key()).await;
        let body = self.sign_register_ta(self.quote(challenge), &oem_root());
        let bytes = world.post("/v1/tas", body).await?;
        let chain: CertificateChain = decode(&bytes);
        self.ta_certificate = Some(chain.leaf);

        Ok(bytes)
    }

    fn state(
        &mut self,
        moves: Moves,
        make: impl FnOnce(&Self, ops_proto::statement::ChainPosition) -> Statement,
    ) -> Statement {
        let position = self.chain.next(moves);
        let statement = make(self, position);
        self.chain = self.chain.follow(&statement).unwrap();
        self.since_token.push(statement.clone());

        statement
    }

    pub(crate) fn deposit_open(&mut self, minor_units: u64) -> DepositOrder {
        let statement = self.state(Moves::I, |device, position| {
            let body = DepositOpen {
                ta: device.ta_key(),
                position,
                amount: amount(minor_units),
            };
            Statement::DepositOpen(Signed::sign(body, &device.ta()))
        });
        let Statement::DepositOpen(open) = statement else {
            unreachable!("a DepositOpen was made")
        };
        self.deposit = Some(open.clone());

        self.endorse(open)
    }

    pub(crate) fn endorse(&self, open: Signed<DepositOpen>) -> DepositOrder {
        let endorsement = Endorsement {
            statement: open.hash(),
        };

        DepositOrder {
            endorsement: Signed::sign(endorsement, &self.client()),
            open,
        }
    }

    pub(crate) fn has_open_deposit(&self) -> bool {
        self.deposit.is_some()
    }

    pub(crate) fn open_deposit(&self) -> Option<DepositOrder> {
        self.deposit.clone().map(|open| self.endorse(open))
    }

    pub(crate) fn deposit_close(&mut self, answer: &Signed<DepositAnswer>) {
        let Some(open) = &self.deposit else { return };
        let body = answer.body();
        if body.order != open.hash() {
            return;
        }
        if body.outcome == DepositOutcome::Granted {
            self.balance += open.body().amount.minor_units();
        }
        self.deposit = None;
    }

    pub(crate) fn withdraw(&mut self, minor_units: u64) -> Signed<Withdraw> {
        self.balance = self.balance.saturating_sub(minor_units);
        let statement = self.state(Moves::I, |device, position| {
            let body = Withdraw {
                ta: device.ta_key(),
                position,
                amount: amount(minor_units),
            };
            Statement::Withdraw(Signed::sign(body, &device.ta()))
        });
        let Statement::Withdraw(withdraw) = statement else {
            unreachable!("a Withdraw was made")
        };

        withdraw
    }

    /// Asks for money with the TA.
    pub(crate) fn request(&mut self, minor_units: u64) -> Signed<RequestPayment> {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.open_ids.push(id);
        let payee = self.ta_certificate.clone().unwrap();

        Signed::sign(request_body(payee, id, minor_units), &self.ta())
    }

    /// Asks for money with the client key, as a payee without a TA does.
    pub(crate) fn client_request(&self, minor_units: u64) -> Signed<RequestPayment> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).unwrap();
        let payee = self.client_certificate.clone().unwrap();
        let id = RequestId(u64::from_be_bytes(id));

        Signed::sign(request_body(payee, id, minor_units), &self.client())
    }

    /// Pays a request, whatever the balance is.
    pub(crate) fn pay(&mut self, request: &Signed<RequestPayment>) -> PaymentPair {
        let paid = request.body().amount;
        self.balance = self.balance.saturating_sub(paid.minor_units());
        let statement = self.state(Moves::J, |device, position| {
            let body = request.body();
            let payment = Payment {
                sender: device.ta_certificate.clone().unwrap(),
                position,
                amount: body.amount,
                currency: body.currency,
                receiver: Receiver::of(body),
                request_id: body.request_id,
                request_hash: request.hash(),
                refund_of: body.refund_of,
            };
            Statement::Payment(PaymentPair {
                payment: Signed::sign(payment, &device.ta()),
                request: request.clone(),
            })
        });
        let Statement::Payment(pair) = statement else {
            unreachable!("a Payment was made")
        };

        pair
    }

    /// Collects a payment for an open id; returns whether it did.
    pub(crate) fn collect(&mut self, pair: &PaymentPair) -> bool {
        let payment = pair.payment.body();
        let Some(at) = self
            .open_ids
            .iter()
            .position(|id| *id == payment.request_id)
        else {
            return false;
        };
        self.open_ids.remove(at);
        self.collected.push((payment.request_id, pair.hash()));
        self.balance += payment.amount.minor_units();
        let amount = payment.amount.minor_units();
        self.amounts.insert(pair.hash(), amount);

        true
    }

    pub(crate) fn close_ids(&mut self) {
        self.open_ids.clear();
    }

    pub(crate) fn status_open(&mut self) -> StatusOrder {
        let balance = self.balance;

        self.status_open_with_balance(balance)
    }

    pub(crate) fn status_open_with_balance(&mut self, balance: u64) -> StatusOrder {
        let chain = self.since_token.clone();
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).unwrap();
        let collected_total = self.collected_total();
        let statement = self.state(Moves::Neither, |device, position| {
            let body = Status {
                ta: device.ta_key(),
                position,
                balance: Balance::from_minor_units(balance),
                paid_count: 0,
                paid_total: 0,
                collected_count: device.collected.len().try_into().unwrap(),
                collected_total,
                collected: List::try_from(device.collected.clone()).unwrap(),
                open: List::try_from(device.open_ids.clone()).unwrap(),
                mark: RequestId(device.next_id),
                nonce,
            };
            Statement::Status(Signed::sign(body, &device.ta()))
        });
        let Statement::Status(status) = statement else {
            unreachable!("a Status was made")
        };
        self.status = Some(status.clone());

        StatusOrder {
            chain: List::try_from(chain).unwrap(),
            status,
        }
    }

    /// What the ids brought that were collected since the last token, in minor units.
    fn collected_total(&self) -> u64 {
        self.collected
            .iter()
            .map(|(_, hash)| self.amounts.get(hash).copied().unwrap_or_default())
            .sum()
    }

    /// Takes the token for the open status, once.
    pub(crate) fn take_token(&mut self, token: &Signed<SyncToken>) {
        let Some(status) = &self.status else { return };
        if token.body().status != status.hash() {
            return;
        }
        let n = status.body().position.n;
        self.since_token
            .retain(|statement| statement.position().n > n);
        let stated = status.body().collected.clone();
        self.collected.retain(|item| !stated.contains(item));
        self.status = None;
    }
}

pub(crate) fn request_body(
    payee: Signed<Certificate>,
    request_id: RequestId,
    minor_units: u64,
) -> RequestPayment {
    let currency = payee.body().currency;

    RequestPayment {
        payee,
        request_id,
        amount: amount(minor_units),
        currency,
        noise_key: NoiseKey([7; 32]),
        memo_hash: Digest::ZERO,
        issued: now(),
        validity: Validity::try_from(60_000).unwrap(),
        lists_held: ListsHeld::default(),
        replaces: None,
        refund_of: None,
    }
}
