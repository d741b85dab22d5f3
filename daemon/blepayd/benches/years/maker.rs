//! Payments as a journal has them when all is settled.

use ble_proto::gatt::RequestTag;
use journal::{ApprovedBy, Entry, Fact, Found, NoiseSecretBytes, PayIntent, RequestIntent};
use kit::Bank;
use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::RequestTerms;
use ops_proto::id::CommandId;
use ops_proto::list::List;
use ops_proto::message::{
    CertificateChain, ItemOutcome, ListsHeld, NoiseKey, Payment, ReceivedPayment, Receiver,
    RequestPayment, SettlementState, Status,
};
use ops_proto::statement::{ChainEnd, ChainPosition, Moves};
use ops_proto::time::Validity;
use ops_proto::{Amount, Balance, Digest, PaymentPair, RequestId, SecretKey, Signed, Time};

/// Makes payments as they are when all is settled.
pub(crate) struct Maker {
    /// Signs for everybody: what is in a journal was verified when it came.
    key: SecretKey,
    client: CertificateChain,
    pub(crate) ta: CertificateChain,
    other: CertificateChain,
}

impl Maker {
    pub(crate) fn new(bank: &Bank, client: CertificateChain, ta: CertificateChain) -> Self {
        let key = SecretKey::from_seed(&[9; 32]);

        Self {
            other: bank.certify_ta(key.public_key(), "Somebody"),
            key,
            client,
            ta,
        }
    }

    /// Of ten: six to the TA, one to the client key, one by this device, one a refund, and one request that is cancelled.
    pub(crate) fn payment(&self, number: u64) -> Vec<Fact> {
        match number % 10 {
            0..=5 => self.came(number, &self.ta, SettlementState::Collected),
            6 => self.came(number, &self.client, SettlementState::Credited),
            7 => self.left(number, None),
            8 => self.left(number, Some(self.received(number - 1, &self.ta).hash())),
            _ => {
                let mut facts = self.came(number, &self.ta, SettlementState::Collected);
                facts.extend(self.cancelled(number));
                facts
            }
        }
    }

    fn came(&self, number: u64, payee: &CertificateChain, state: SettlementState) -> Vec<Fact> {
        let pair = self.received(number, payee);
        let (payment, outcome) = (pair.hash(), ItemOutcome::Held(state));
        let (command, intent) = self.intent(number, payee);
        let mut facts = vec![
            intent,
            Fact::RequestIssued {
                command,
                request: pair.request.clone(),
            },
            Fact::PaymentReceived {
                pair: Box::new(pair),
                sender_provider: self.other.provider.clone(),
            },
            Fact::Collected {
                payment,
                receipt: self.receipt(payment),
            },
        ];
        if state == SettlementState::Credited {
            facts.push(Fact::Claimed { payment, outcome });
        }
        facts.push(Fact::Reported { payment, outcome });

        facts
    }

    fn left(&self, number: u64, refund_of: Option<Digest>) -> Vec<Fact> {
        let pair = self.pair(number, &self.other.leaf, &self.ta.leaf, refund_of);
        let (payment, outcome) = (pair.hash(), ItemOutcome::Held(SettlementState::Collected));

        vec![
            Fact::PayIntent(Box::new(PayIntent {
                request: pair.request.clone(),
                payee_provider: self.other.provider.clone(),
                memo: "two coffees".parse().expect("a memo"),
                approved_by: ApprovedBy::Person,
                found: Found::Heard(tag(number)),
            })),
            Fact::PaymentSigned {
                pair: Box::new(pair),
                payee_provider: self.other.provider.clone(),
            },
            Fact::ReceiptReceived(self.receipt(payment)),
            Fact::Reported { payment, outcome },
        ]
    }

    fn cancelled(&self, number: u64) -> Vec<Fact> {
        let number = number | (1 << 40);
        let (command, intent) = self.intent(number, &self.ta);
        let request = self.request(number, &self.ta.leaf, None);

        vec![
            intent,
            Fact::RequestIssued { command, request },
            Fact::RequestCancelled {
                payee: self.ta.leaf.body().subject,
                request_id: RequestId(number),
            },
        ]
    }

    /// A status that the server answered: the chain begins anew, and what was cancelled is closed.
    pub(crate) fn token(&self, n: u64) -> Vec<Fact> {
        let status = Signed::sign(
            Status {
                ta: self.ta.leaf.body().subject,
                position: ChainPosition {
                    n,
                    i: 0,
                    j: n,
                    previous: Digest::ZERO,
                },
                balance: Balance::ZERO,
                paid_count: 0,
                paid_total: 0,
                collected_count: 0,
                collected_total: 0,
                collected: List::empty(),
                open: List::empty(),
                mark: RequestId(u64::MAX),
                nonce: [1; 16],
            },
            &self.key,
        );
        let taken = Fact::TokenTaken {
            status: status.hash(),
        };

        vec![Fact::StatusOpened(status), taken]
    }

    pub(crate) fn received(&self, number: u64, payee: &CertificateChain) -> PaymentPair {
        self.pair(number, &payee.leaf, &self.other.leaf, None)
    }

    fn pair(
        &self,
        number: u64,
        payee: &Signed<Certificate>,
        sender: &Signed<Certificate>,
        refund_of: Option<Digest>,
    ) -> PaymentPair {
        let request = self.request(number, payee, refund_of);
        let body = request.body();
        let payment = Signed::sign(
            Payment {
                sender: sender.clone(),
                position: ChainEnd::START.next(Moves::J),
                amount: body.amount,
                currency: body.currency,
                receiver: Receiver::of(body),
                request_id: body.request_id,
                request_hash: request.hash(),
                refund_of,
            },
            &self.key,
        );

        PaymentPair { payment, request }
    }

    fn request(
        &self,
        number: u64,
        payee: &Signed<Certificate>,
        refund_of: Option<Digest>,
    ) -> Signed<RequestPayment> {
        let terms = terms(number);

        Signed::sign(
            RequestPayment {
                payee: payee.clone(),
                request_id: RequestId(number),
                amount: terms.amount,
                currency: payee.body().currency,
                noise_key: terms.noise_key,
                memo_hash: terms.memo_hash,
                issued: terms.issued,
                validity: terms.validity,
                lists_held: terms.lists_held,
                replaces: None,
                refund_of,
            },
            &self.key,
        )
    }

    fn intent(&self, number: u64, payee: &CertificateChain) -> (CommandId, Fact) {
        let command = CommandId(
            Digest::of(&[&number.to_be_bytes()]).0[..16]
                .try_into()
                .expect("16 bytes"),
        );
        let is_client = payee.leaf == self.client.leaf;
        let intent = RequestIntent {
            command,
            signer: if is_client { Kind::Client } else { Kind::Ta },
            terms: terms(number),
            tag: tag(number),
            noise_secret: NoiseSecretBytes::new([3; 32]),
            entry: Entry::Heard,
            memo: "two coffees".parse().expect("a memo"),
            salt: [4; 16],
        };

        (command, Fact::RequestIntent(Box::new(intent)))
    }

    fn receipt(&self, payment: Digest) -> Signed<ReceivedPayment> {
        Signed::sign(ReceivedPayment { payment }, &self.key)
    }
}

fn terms(number: u64) -> RequestTerms {
    RequestTerms {
        amount: Amount::try_from(number % 5000 + 1).expect("an amount"),
        memo_hash: Digest::ZERO,
        noise_key: NoiseKey([1; 32]),
        issued: Time::from_ms(1_700_000_000_000 + number * 60_000),
        validity: Validity::try_from(900_000).expect("a validity"),
        lists_held: ListsHeld::default(),
        replaces: None,
        refund_of: None,
    }
}

fn tag(number: u64) -> RequestTag {
    let bytes = number.to_be_bytes();

    RequestTag(bytes[2..].try_into().expect("6 bytes"))
}
