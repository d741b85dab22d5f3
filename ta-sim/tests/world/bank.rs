//! A provider with its keys, as far as a TA sees it.

use std::cell::Cell;

use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::id::ProviderId;
use ops_proto::key::{PublicKey, SecretKey};
use ops_proto::message::{
    AnswerStamp, DepositAnswer, DepositOpen, DepositOutcome, Status, SyncToken, Withdraw,
    WithdrawAck,
};
use ops_proto::signed::Signed;
use ops_proto::time::Time;

use super::amount;

pub(crate) const NOW: Time = Time::from_ms(1_800_000_000_000);
pub(crate) const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

pub(crate) const LIMITS: fn() -> Limits = || Limits {
    balance_max: amount(100_000),
    payment_max: amount(20_000),
    paid_count: bound(20),
    paid_total: bound(60_000),
    collected_count: bound(20),
    collected_total: bound(60_000),
};

pub(crate) const fn bound(refuse: u64) -> Bound {
    Bound {
        warn: refuse / 2,
        refuse,
    }
}

pub(crate) struct Bank {
    pub(crate) root: SecretKey,
    pub(crate) certify: SecretKey,
    pub(crate) answer: SecretKey,
    pub(crate) certificate: Signed<Certificate>,
    limits: Limits,
    sequence: Cell<u64>,
}

impl Bank {
    /// A provider under the root that all tests share; each `seed` is another one.
    pub(crate) fn new(seed: u8) -> Self {
        Self::with_keys(seed, seed, "EUR", NOW)
    }

    /// A provider whose keys come from `keys`: one that rolls them over keeps its `id`.
    pub(crate) fn with_keys(id: u8, keys: u8, currency: &str, not_before: Time) -> Self {
        Self::made(id, keys, currency, not_before, LIMITS())
    }

    /// A provider that grants other limits than [`LIMITS`].
    pub(crate) fn with_limits(seed: u8, limits: Limits) -> Self {
        Self::made(seed, seed, "EUR", NOW, limits)
    }

    fn made(id: u8, keys: u8, currency: &str, not_before: Time, limits: Limits) -> Self {
        let root = SecretKey::from_seed(&[1; 32]);
        let key = |role: u8| {
            let mut seed = [role; 32];
            seed[0] = keys;
            SecretKey::from_seed(&seed)
        };
        let (certify, answer, list) = (key(101), key(102), key(103));
        let certificate = Certificate {
            number: 1,
            provider: ProviderId([id; 16]),
            subject: certify.public_key(),
            name: "Bank".parse().expect("a name"),
            currency: currency.parse().expect("a currency"),
            issuer: root.public_key().id(),
            not_before: not_before.saturating_sub_ms(YEAR_MS),
            not_after: NOW.saturating_add_ms(YEAR_MS),
            role: Role::Provider {
                answer_key: answer.public_key(),
                list_key: list.public_key(),
                limits_max: limits,
            },
        };

        Self {
            certificate: Signed::sign(certificate, &root),
            root,
            certify,
            answer,
            limits,
            sequence: Cell::new(0),
        }
    }

    pub(crate) fn root_key(&self) -> PublicKey {
        self.root.public_key()
    }

    pub(crate) fn certify_ta(&self, ta: PublicKey, number: u64) -> Signed<Certificate> {
        self.sign(self.ta_body(ta, number))
    }

    pub(crate) fn certify_client(&self, client: PublicKey) -> Signed<Certificate> {
        self.sign(Certificate {
            role: Role::Client,
            ..self.ta_body(client, 1)
        })
    }

    pub(crate) fn sign(&self, body: Certificate) -> Signed<Certificate> {
        Signed::sign(body, &self.certify)
    }

    pub(crate) fn ta_body(&self, ta: PublicKey, number: u64) -> Certificate {
        let provider = self.certificate.body();
        Certificate {
            number,
            provider: provider.provider,
            subject: ta,
            name: "Ada".parse().expect("a name"),
            currency: provider.currency,
            issuer: self.certify.public_key().id(),
            not_before: NOW.saturating_sub_ms(YEAR_MS),
            not_after: NOW.saturating_add_ms(YEAR_MS / 2),
            role: Role::Ta {
                limits: self.limits,
            },
        }
    }

    pub(crate) fn answer(
        &self,
        order: &Signed<DepositOpen>,
        outcome: DepositOutcome,
    ) -> Signed<DepositAnswer> {
        Signed::sign(self.answer_body(order, outcome), &self.answer)
    }

    pub(crate) fn answer_body(
        &self,
        order: &Signed<DepositOpen>,
        outcome: DepositOutcome,
    ) -> DepositAnswer {
        DepositAnswer {
            ta: order.body().ta,
            i: order.body().position.i,
            order: order.hash(),
            outcome,
            stamp: self.stamp(),
        }
    }

    pub(crate) fn ack(&self, order: &Signed<Withdraw>) -> Signed<WithdrawAck> {
        Signed::sign(self.ack_body(order), &self.answer)
    }

    pub(crate) fn ack_body(&self, order: &Signed<Withdraw>) -> WithdrawAck {
        WithdrawAck {
            ta: order.body().ta,
            i: order.body().position.i,
            order: order.hash(),
            stamp: self.stamp(),
        }
    }

    pub(crate) fn token(&self, status: &Signed<Status>, time: Time) -> Signed<SyncToken> {
        Signed::sign(self.token_body(status, time), &self.answer)
    }

    pub(crate) fn token_body(&self, status: &Signed<Status>, time: Time) -> SyncToken {
        SyncToken {
            ta: status.body().ta,
            status: status.hash(),
            nonce: status.body().nonce,
            time,
            stamp: self.stamp(),
        }
    }

    fn stamp(&self) -> AnswerStamp {
        self.sequence.set(self.sequence.get() + 1);
        AnswerStamp {
            incarnation: 1,
            sequence: self.sequence.get(),
        }
    }
}
