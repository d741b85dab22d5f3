//! Keys, certificates and the messages that the machines are given.

use std::str::FromStr;

use ble_proto::gatt::RequestTag;
use ble_proto::gossip::Holding;
use ble_proto::message::Memo;
use ble_proto::payment::payee::{OpenRequest, WayIn};
use ble_proto::session::{NoiseSecret, UriSecret};
use ble_proto::uri::PaymentUri;
use ops_proto::certificate::{Bound, Certificate, Limits, Role};
use ops_proto::message::{
    CertificateChain, DenyEntry, DenyListPiece, DirectoryEntry, ListVersion, ListsHeld, Payment,
    ProviderDirectory, ProviderStanding, ReceivedPayment, Receiver, RequestPayment, memo_hash,
};
use ops_proto::signed::Body;
use ops_proto::statement::{ChainEnd, Moves};
use ops_proto::time::Validity;
use ops_proto::{
    Amount, Currency, Digest, Name, PaymentPair, ProviderId, RequestId, SecretKey, Signed, Time,
};

/// The instant at which everything is signed.
pub(crate) const NOW: Time = Time::from_ms(1_767_225_600_000);
/// What every request is for.
pub(crate) const MEMO: &str = "two coffees";
/// The salt of every memo hash.
pub(crate) const SALT: [u8; 16] = [0x5a; 16];
const DAY_MS: u64 = 24 * 3600 * 1000;

/// One root, two providers, a payer at each, a payee with a TA and one without.
pub(crate) struct World {
    pub(crate) root: SecretKey,
    pub(crate) ferry: SecretKey,
    pub(crate) campus: SecretKey,
    pub(crate) payer_ta: SecretKey,
    pub(crate) payee_ta: SecretKey,
    pub(crate) ferry_certificate: Signed<Certificate>,
    pub(crate) campus_certificate: Signed<Certificate>,
    pub(crate) payee_certificate: Signed<Certificate>,
}

impl World {
    pub(crate) fn new() -> Self {
        let [root, ferry, campus, payer_ta, payee_ta] =
            [1, 2, 3, 6, 7].map(|n| SecretKey::from_seed(&[n; 32]));
        let ferry_certificate = provider(&root, &ferry, *b"ferry-line-bank1", "Ferry Line Bank");
        let campus_certificate = provider(
            &root,
            &campus,
            *b"campus-wallets-1",
            "Campus and Harbour Wallets Union",
        );
        let payee_certificate = leaf(&ferry_certificate, &ferry, &payee_ta, "Ferry Café");

        Self {
            root,
            ferry,
            campus,
            payer_ta,
            payee_ta,
            ferry_certificate,
            campus_certificate,
            payee_certificate,
        }
    }

    /// The payer's certificates under the payee's provider.
    pub(crate) fn sender(&self) -> CertificateChain {
        CertificateChain {
            provider: self.ferry_certificate.clone(),
            leaf: leaf(
                &self.ferry_certificate,
                &self.ferry,
                &self.payer_ta,
                "Deck Wallet 12",
            ),
        }
    }

    /// The payer's certificates under another provider, with the longest name there is.
    pub(crate) fn sender_elsewhere(&self) -> CertificateChain {
        CertificateChain {
            provider: self.campus_certificate.clone(),
            leaf: leaf(
                &self.campus_certificate,
                &self.campus,
                &self.payer_ta,
                "A name of exactly thirty-two by.",
            ),
        }
    }

    pub(crate) fn request_body(&self, id: u64) -> RequestPayment {
        RequestPayment {
            payee: self.payee_certificate.clone(),
            request_id: RequestId(id),
            amount: amount(1250),
            currency: Currency::from_str("EUR").expect("a code"),
            noise_key: noise_secret(id).public(),
            memo_hash: memo_hash(&SALT, MEMO),
            issued: NOW,
            validity: Validity::try_from(600_000).expect("in range"),
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        }
    }

    pub(crate) fn request(&self, id: u64) -> Signed<RequestPayment> {
        Signed::sign(self.request_body(id), &self.payee_ta)
    }

    /// Request `id`, advertised.
    pub(crate) fn announced(&self, id: u64) -> OpenRequest {
        self.open(self.request(id), WayIn::Announced)
    }

    /// Request `id`, by URI.
    pub(crate) fn by_uri(&self, id: u64) -> OpenRequest {
        self.open(self.request(id), WayIn::Uri(uri_secret(id)))
    }

    pub(crate) fn open(&self, request: Signed<RequestPayment>, way_in: WayIn) -> OpenRequest {
        let id = request.body().request_id.0;
        OpenRequest {
            tag: tag(id),
            request,
            provider: self.ferry_certificate.clone(),
            noise_secret: noise_secret(id),
            memo: Memo::from_str(MEMO).expect("a memo"),
            salt: SALT,
            way_in,
        }
    }

    pub(crate) fn uri(&self, id: u64) -> PaymentUri {
        PaymentUri {
            tag: tag(id),
            payee: noise_secret(id).public(),
            secret: uri_secret(id),
            hint: None,
        }
    }

    /// The payment of a request, as the payer's j-th.
    pub(crate) fn payment_body(
        &self,
        request: &Signed<RequestPayment>,
        sender: &Signed<Certificate>,
        j: u64,
    ) -> Payment {
        let mut position = ChainEnd::START.next(Moves::J);
        position.n = j;
        position.j = j;
        let body = request.body();

        Payment {
            sender: sender.clone(),
            position,
            amount: body.amount,
            currency: body.currency,
            receiver: Receiver::of(body),
            request_id: body.request_id,
            request_hash: request.hash(),
            refund_of: body.refund_of,
        }
    }

    pub(crate) fn pay(
        &self,
        request: &Signed<RequestPayment>,
        sender: &Signed<Certificate>,
        j: u64,
    ) -> Signed<Payment> {
        Signed::sign(self.payment_body(request, sender, j), &self.payer_ta)
    }

    /// A good payment of request `id` by the payer of [`World::sender`].
    pub(crate) fn pair(&self, id: u64) -> PaymentPair {
        let request = self.request(id);
        PaymentPair {
            payment: self.pay(&request, &self.sender().leaf, 1),
            request,
        }
    }

    /// The root's directory, in its n-th version.
    pub(crate) fn directory(&self, number: u32) -> Signed<ProviderDirectory> {
        let entry = |certificate: &Signed<Certificate>, key: &SecretKey| DirectoryEntry {
            provider: certificate.body().provider,
            name: certificate.body().name.clone(),
            epoch: 1,
            list_key: key.public_key(),
            standing: ProviderStanding::Live,
        };
        let body = ProviderDirectory {
            version: ListVersion { epoch: 1, number },
            issued: NOW,
            providers: vec![
                entry(&self.campus_certificate, &self.campus),
                entry(&self.ferry_certificate, &self.ferry),
            ]
            .try_into()
            .expect("few"),
        };

        Signed::sign(body, &self.root)
    }

    /// A piece of the ferry's deny-list in its n-th version, as large as pieces get.
    pub(crate) fn piece(&self, number: u32, piece: u16, pieces: u16) -> Signed<DenyListPiece> {
        let entries: Vec<_> = (0..72_u16)
            .map(|at| {
                let mut key = [0; 32];
                key[..2].copy_from_slice(&(piece * 72 + at).to_be_bytes());
                DenyEntry {
                    key: ops_proto::PublicKey(key),
                    not_after: NOW.saturating_add_ms(30 * DAY_MS),
                }
            })
            .collect();
        let body = DenyListPiece {
            provider: self.ferry_certificate.body().provider,
            version: ListVersion { epoch: 1, number },
            piece,
            pieces,
            issued: NOW,
            entries: entries.try_into().expect("as many as fit"),
        };

        Signed::sign(body, &self.ferry)
    }

    pub(crate) fn receipt(&self, payment: Digest) -> Signed<ReceivedPayment> {
        Signed::sign(ReceivedPayment { payment }, &self.payee_ta)
    }
}

/// What a device holds that has the first directory and no list.
pub(crate) fn newer_directory() -> Holding {
    Holding {
        directory: ListVersion {
            epoch: 1,
            number: 1,
        },
        ..Holding::default()
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

pub(crate) fn tag(id: u64) -> RequestTag {
    let [.., a, b] = id.to_be_bytes();
    RequestTag([0xb1, 0xe9, 0xa7, 0, a, b])
}

pub(crate) fn noise_secret(id: u64) -> NoiseSecret {
    let mut secret = [0x4e; 32];
    secret[..8].copy_from_slice(&id.to_be_bytes());
    NoiseSecret::from_bytes(secret)
}

pub(crate) fn uri_secret(id: u64) -> UriSecret {
    let mut secret = [0x55; 16];
    secret[..8].copy_from_slice(&id.to_be_bytes());
    UriSecret::from_bytes(secret)
}

pub(crate) fn amount(minor_units: u64) -> Amount {
    Amount::try_from(minor_units).expect("in range")
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a plain name")
}

pub(crate) fn leaf(
    provider: &Signed<Certificate>,
    issuer: &SecretKey,
    subject: &SecretKey,
    text: &str,
) -> Signed<Certificate> {
    let body = Certificate {
        number: 1,
        provider: provider.body().provider,
        subject: subject.public_key(),
        name: name(text),
        currency: Currency::from_str("EUR").expect("a code"),
        issuer: issuer.public_key().id(),
        not_before: NOW.saturating_sub_ms(DAY_MS),
        not_after: NOW.saturating_add_ms(30 * DAY_MS),
        role: Role::Ta {
            limits: limits(20_000),
        },
    };

    Signed::sign(body, issuer)
}

fn provider(root: &SecretKey, key: &SecretKey, id: [u8; 16], text: &str) -> Signed<Certificate> {
    let body = Certificate {
        number: 1,
        provider: ProviderId(id),
        subject: key.public_key(),
        name: name(text),
        currency: Currency::from_str("EUR").expect("a code"),
        issuer: root.public_key().id(),
        not_before: NOW.saturating_sub_ms(DAY_MS),
        not_after: NOW.saturating_add_ms(365 * DAY_MS),
        role: Role::Provider {
            answer_key: key.public_key(),
            list_key: key.public_key(),
            // as large as a provider's limits get: the certificate has its full size
            limits_max: limits(1_000_000_000),
        },
    };

    Signed::sign(body, root)
}

fn limits(payment_max: u64) -> Limits {
    let bound = |refuse| Bound {
        warn: refuse / 2,
        refuse,
    };
    Limits {
        balance_max: amount(100_000),
        payment_max: amount(payment_max),
        paid_count: bound(50),
        paid_total: bound(100_000),
        collected_count: bound(500),
        collected_total: bound(1_000_000),
    }
}
