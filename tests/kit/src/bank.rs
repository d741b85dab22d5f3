//! A provider without a server, for tests that need certificates and nothing else: it certifies, and grants once.

use journal::Enrolled;
use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::message::{
    AnswerStamp, CertificateChain, DepositAnswer, DepositOpen, DepositOutcome,
};
use ops_proto::{ProviderId, PublicKey, SecretKey, Signed};
use runtime::clock;

use super::amount;

const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

pub struct Bank {
    root: SecretKey,
    certify: SecretKey,
    answer: SecretKey,
    limits: Limits,
    certificate: Signed<Certificate>,
}

impl Bank {
    pub fn new(seed: u8) -> Self {
        let root = SecretKey::from_seed(&[1; 32]);
        let key = |role: u8| {
            let mut bytes = [seed; 32];
            bytes[0] = role;
            SecretKey::from_seed(&bytes)
        };
        let (certify, answer, list) = (key(11), key(12), key(13));
        let certificate = Signed::sign(
            Certificate {
                number: 1,
                provider: ProviderId([seed; 16]),
                subject: certify.public_key(),
                name: format!("Bank {seed}").parse().expect("a name"),
                currency: "EUR".parse().expect("a currency"),
                issuer: root.public_key().id(),
                not_before: clock::now().saturating_sub_ms(YEAR_MS),
                not_after: clock::now().saturating_add_ms(YEAR_MS),
                role: Role::Provider {
                    answer_key: answer.public_key(),
                    list_key: list.public_key(),
                    limits_max: limits(),
                },
            },
            &root,
        );

        Self {
            root,
            certify,
            answer,
            limits: limits(),
            certificate,
        }
    }

    /// As [`Self::new`]; grants these limits to TAs.
    pub fn with_limits(seed: u8, limits: Limits) -> Self {
        Self {
            limits,
            ..Self::new(seed)
        }
    }

    pub fn root(&self) -> PublicKey {
        self.root.public_key()
    }

    pub fn enrolled(&self) -> Enrolled {
        Enrolled {
            url: "https://127.0.0.1:1".to_owned(),
            tls_anchor: String::new(),
            root: self.root(),
            provider: self.certificate.clone(),
        }
    }

    pub fn certify_client(&self, subject: PublicKey, name: &str) -> CertificateChain {
        self.certify(subject, name, Role::Client)
    }

    pub fn certify_ta(&self, subject: PublicKey, name: &str) -> CertificateChain {
        self.certify(
            subject,
            name,
            Role::Ta {
                limits: self.limits,
            },
        )
    }

    pub fn grant(&self, open: &Signed<DepositOpen>) -> Signed<DepositAnswer> {
        let body = open.body();

        Signed::sign(
            DepositAnswer {
                ta: body.ta,
                i: body.position.i,
                order: open.hash(),
                outcome: DepositOutcome::Granted,
                stamp: AnswerStamp {
                    incarnation: 1,
                    sequence: body.position.i,
                },
            },
            &self.answer,
        )
    }

    fn certify(&self, subject: PublicKey, name: &str, role: Role) -> CertificateChain {
        let provider = self.certificate.body();
        let leaf = Signed::sign(
            Certificate {
                number: 1,
                provider: provider.provider,
                subject,
                name: name.parse().expect("a name"),
                currency: provider.currency,
                issuer: self.certify.public_key().id(),
                not_before: provider.not_before,
                not_after: clock::now().saturating_add_ms(YEAR_MS),
                role,
            },
            &self.certify,
        );

        CertificateChain {
            provider: self.certificate.clone(),
            leaf,
        }
    }
}

fn limits() -> Limits {
    let bound = |refuse: u64| Bound {
        warn: refuse,
        refuse,
    };

    Limits {
        balance_max: amount(1_000_000),
        payment_max: amount(100_000),
        paid_count: bound(1000),
        paid_total: bound(10_000_000),
        collected_count: bound(1000),
        collected_total: bound(10_000_000),
    }
}
