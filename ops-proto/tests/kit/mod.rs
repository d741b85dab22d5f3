//! A small world with fixed keys: a root, one provider, a payer's TA and two payees.

mod provider;

use ops_proto::attestation::{DeviceCertificate, Quote};
use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::list::List;
use ops_proto::message::{
    AccountAnswer, AccountQuery, AnswerStamp, BatchAnswer, DepositAnswer, DepositOpen,
    DepositOutcome, Endorsement, ItemOutcome, ListsHeld, NoiseKey, Payment, ReceivedPayment,
    Receiver, RegisterClient, RegisterTa, Renew, RequestPayment, Retire, SettlementState, Status,
    SyncToken, Withdraw, WithdrawAck, memo_hash,
};
use ops_proto::signed::Body;
use ops_proto::statement::{ChainEnd, Moves};
use ops_proto::time::Validity;
use ops_proto::{
    Amount, Balance, Currency, Digest, PaymentPair, ProviderId, RequestId, SecretKey, Signed, Time,
};

/// The instant at which everything in this world happens: 2026-01-01T00:00:00Z.
pub(crate) const NOW: Time = Time::from_ms(1_767_225_600_000);
/// The stamp of every answer of the server in this world.
const STAMP: AnswerStamp = AnswerStamp {
    incarnation: 1,
    sequence: 7,
};
/// One day.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

/// Every key and certificate of the world.
pub(crate) struct World {
    pub(crate) root: SecretKey,
    pub(crate) certify: SecretKey,
    pub(crate) answer: SecretKey,
    pub(crate) client: SecretKey,
    pub(crate) payer_ta: SecretKey,
    pub(crate) payee_ta: SecretKey,
    pub(crate) provider: Signed<Certificate>,
    pub(crate) client_certificate: Signed<Certificate>,
    pub(crate) payer_certificate: Signed<Certificate>,
    pub(crate) payee_certificate: Signed<Certificate>,
}

impl World {
    pub(crate) fn new() -> Self {
        let [root, certify, answer, list, client, payer_ta, payee_ta] =
            [1, 2, 3, 4, 5, 6, 7].map(|n| SecretKey::from_seed(&[n; 32]));
        let provider = Certificate {
            number: 1,
            provider: ProviderId(*b"ferry-line-bank1"),
            subject: certify.public_key(),
            name: name("Ferry Line Bank"),
            currency: euro(),
            issuer: root.public_key().id(),
            not_before: NOW.saturating_sub_ms(DAY_MS),
            not_after: NOW.saturating_add_ms(365 * DAY_MS),
            role: Role::Provider {
                answer_key: answer.public_key(),
                list_key: list.public_key(),
                limits_max: limits(50_000),
            },
        };
        let provider = Signed::sign(provider, &root);
        let leaf = |subject: &SecretKey, text: &str, role: Role| {
            let body = Certificate {
                number: 1,
                provider: provider.body().provider,
                subject: subject.public_key(),
                name: name(text),
                currency: euro(),
                issuer: certify.public_key().id(),
                not_before: NOW.saturating_sub_ms(DAY_MS),
                not_after: NOW.saturating_add_ms(30 * DAY_MS),
                role,
            };
            Signed::sign(body, &certify)
        };
        let ta = Role::Ta {
            limits: limits(20_000),
        };

        Self {
            client_certificate: leaf(&client, "Harbour Kiosk", Role::Client),
            payer_certificate: leaf(&payer_ta, "Deck Wallet 12", ta.clone()),
            payee_certificate: leaf(&payee_ta, "Ferry Café", ta),
            root,
            certify,
            answer,
            client,
            payer_ta,
            payee_ta,
            provider,
        }
    }

    /// A request of 12.50 by the payee's TA.
    pub(crate) fn request_body(&self) -> RequestPayment {
        RequestPayment {
            payee: self.payee_certificate.clone(),
            request_id: RequestId(1),
            amount: amount(1250),
            currency: euro(),
            noise_key: NoiseKey([0x4e; 32]),
            memo_hash: memo_hash(&[0x5a; 16], "two coffees"),
            issued: NOW,
            validity: Validity::try_from(600_000).expect("in range"),
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        }
    }

    pub(crate) fn request(&self) -> Signed<RequestPayment> {
        Signed::sign(self.request_body(), &self.payee_ta)
    }

    /// The payment that answers [`World::request`], as the payer's first statement.
    pub(crate) fn payment_body(&self) -> Payment {
        let request = self.request();

        Payment {
            sender: self.payer_certificate.clone(),
            position: ChainEnd::START.next(Moves::J),
            amount: amount(1250),
            currency: euro(),
            receiver: Receiver::of(request.body()),
            request_id: RequestId(1),
            request_hash: request.hash(),
            refund_of: None,
        }
    }

    pub(crate) fn pair(&self) -> PaymentPair {
        self.pair_of(self.payment_body())
    }

    pub(crate) fn pair_of(&self, payment: Payment) -> PaymentPair {
        PaymentPair {
            payment: Signed::sign(payment, &self.payer_ta),
            request: self.request(),
        }
    }

    pub(crate) fn receipt(&self) -> Signed<ReceivedPayment> {
        let payment = self.pair().hash();

        Signed::sign(ReceivedPayment { payment }, &self.payee_ta)
    }
}

/// The messages of the online sub-protocols, as the vectors freeze them.
impl World {
    pub(crate) fn attestation(&self) -> (Signed<DeviceCertificate>, Signed<Quote>) {
        let [oem, device] = [8, 9].map(|n| SecretKey::from_seed(&[n; 32]));
        let certificate = DeviceCertificate {
            device: device.public_key(),
            model: name("Test device"),
            issuer: oem.public_key().id(),
            not_before: NOW.saturating_sub_ms(DAY_MS),
            not_after: NOW.saturating_add_ms(DAY_MS),
        };
        let quote = Quote {
            ta: self.payer_ta.public_key(),
            measurement: digest(0x33),
            challenge: [0x44; 32],
            client: self.client.public_key(),
        };

        (
            Signed::sign(certificate, &oem),
            Signed::sign(quote, &device),
        )
    }

    pub(crate) fn register_client(&self) -> Signed<RegisterClient> {
        let body = RegisterClient {
            client: self.client.public_key(),
            name: name("Harbour Kiosk"),
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn register_ta(&self) -> Signed<RegisterTa> {
        let (device, quote) = self.attestation();
        let body = RegisterTa {
            client: self.client.public_key(),
            ta: self.payer_ta.public_key(),
            challenge: [0x44; 32],
            device,
            quote,
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn renew(&self) -> Signed<Renew> {
        let body = Renew {
            subject: self.payer_ta.public_key(),
            number: 1,
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.payer_ta)
    }

    pub(crate) fn account_query(&self) -> Signed<AccountQuery> {
        let body = AccountQuery {
            client: self.client.public_key(),
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn account_answer(&self) -> Signed<AccountAnswer> {
        let body = AccountAnswer {
            client: self.client.public_key(),
            currency: euro(),
            online: Balance::from_minor_units(5000),
            shadow: Some(Balance::from_minor_units(3750)),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn deposit_open(&self) -> Signed<DepositOpen> {
        let body = DepositOpen {
            ta: self.payer_ta.public_key(),
            position: ChainEnd::START.next(Moves::I),
            amount: amount(5000),
        };

        Signed::sign(body, &self.payer_ta)
    }

    pub(crate) fn endorsement(&self) -> Signed<Endorsement> {
        let statement = self.deposit_open().hash();

        Signed::sign(Endorsement { statement }, &self.client)
    }

    pub(crate) fn deposit_answer(&self) -> Signed<DepositAnswer> {
        let body = DepositAnswer {
            ta: self.payer_ta.public_key(),
            i: 1,
            order: self.deposit_open().hash(),
            outcome: DepositOutcome::Granted,
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn withdraw(&self) -> Signed<Withdraw> {
        let body = Withdraw {
            ta: self.payer_ta.public_key(),
            position: ChainEnd::START.next(Moves::I),
            amount: amount(300),
        };

        Signed::sign(body, &self.payer_ta)
    }

    pub(crate) fn withdraw_ack(&self) -> Signed<WithdrawAck> {
        let body = WithdrawAck {
            ta: self.payer_ta.public_key(),
            i: 1,
            order: self.withdraw().hash(),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn batch_answer(&self) -> Signed<BatchAnswer> {
        let outcome = ItemOutcome::Held(SettlementState::Credited);
        let items = vec![(self.pair().hash(), outcome)];
        let body = BatchAnswer {
            items: items.try_into().expect("one item"),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    /// The payee's status after it collected [`World::pair`]; its request 2 is still open.
    pub(crate) fn status(&self) -> Signed<Status> {
        let collected = vec![(RequestId(1), self.pair().hash())];
        let body = Status {
            ta: self.payee_ta.public_key(),
            position: ChainEnd::START.next(Moves::Neither),
            balance: Balance::from_minor_units(1250),
            paid_count: 0,
            paid_total: 0,
            collected_count: 1,
            collected_total: 1250,
            collected: collected.try_into().expect("one item"),
            open: vec![RequestId(2)].try_into().expect("one item"),
            mark: RequestId(3),
            nonce: [0x55; 16],
        };

        Signed::sign(body, &self.payee_ta)
    }

    /// The last statement of a TA that holds 12.50 and has no request open.
    pub(crate) fn retire(&self) -> Signed<Retire> {
        let last = Status {
            open: List::empty(),
            ..self.status().body().clone()
        };

        Signed::sign(Retire { last }, &self.payee_ta)
    }

    pub(crate) fn sync_token(&self) -> Signed<SyncToken> {
        let body = SyncToken {
            ta: self.payee_ta.public_key(),
            status: self.status().hash(),
            nonce: [0x55; 16],
            time: NOW,
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }
}

/// Signs a changed copy of a message with the given key.
pub(crate) fn changed<T: Body + Clone>(
    signed: &Signed<T>,
    key: &SecretKey,
    change: impl FnOnce(&mut T),
) -> Signed<T> {
    let mut body = signed.body().clone();
    change(&mut body);

    Signed::sign(body, key)
}

pub(crate) fn limits(payment_max: u64) -> Limits {
    Limits {
        balance_max: amount(100_000),
        payment_max: amount(payment_max),
        paid_count: Bound {
            warn: 40,
            refuse: 50,
        },
        paid_total: Bound {
            warn: 80_000,
            refuse: 100_000,
        },
        collected_count: Bound {
            warn: 400,
            refuse: 500,
        },
        collected_total: Bound {
            warn: 800_000,
            refuse: 1_000_000,
        },
    }
}

pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("in range")
}

pub(crate) fn euro() -> Currency {
    "EUR".parse().expect("three capitals")
}

pub(crate) fn name(text: &str) -> ops_proto::Name {
    text.parse().expect("a plain name")
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}
