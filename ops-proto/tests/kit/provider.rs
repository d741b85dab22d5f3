//! What a provider answers and exchanges with others, in the same small world.

use ops_proto::message::{
    CreditedAnswer, CreditedQuery, DeathAnswer, DenyEntry, DenyListPiece, DirectoryEntry, Forward,
    ForwardAnswer, ForwardOutcome, ForwardRefused, ListVersion, MailboxAnswer, MailboxQuery,
    Payment, ProviderDirectory, ProviderRequest, ProviderStanding, Remembered, RememberedAnswer,
    RememberedItem, ReportDeath, RetireAnswer, Settlement, SettlementAck, SettlementsAnswer,
    SettlementsQuery,
};
use ops_proto::statement::{Evidence, Statement};
use ops_proto::{Balance, ProviderId, SecretKey, Signed};

use super::{DAY_MS, NOW, STAMP, World, amount, digest, euro, limits, name};

/// The provider of the receivers in the messages between providers.
const OTHER: ProviderId = ProviderId(*b"harbour-credit-1");

impl World {
    fn list_key(&self) -> SecretKey {
        SecretKey::from_seed(&[4; 32])
    }

    /// The answer key of the other provider: seed 0a.
    pub(crate) fn other_answer(&self) -> SecretKey {
        SecretKey::from_seed(&[10; 32])
    }

    fn own(&self) -> ProviderId {
        self.provider.body().provider
    }

    pub(crate) fn retire_answer(&self) -> Signed<RetireAnswer> {
        let body = RetireAnswer {
            ta: self.payee_ta.public_key(),
            retire: self.retire().hash(),
            paid: Balance::from_minor_units(1250),
            held: Balance::ZERO,
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn report_death(&self) -> Signed<ReportDeath> {
        let body = ReportDeath {
            client: self.client.public_key(),
            ta: self.payer_ta.public_key(),
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn death_answer(&self) -> Signed<DeathAnswer> {
        let body = DeathAnswer {
            client: self.client.public_key(),
            ta: self.payer_ta.public_key(),
            held: Balance::from_minor_units(3750),
            paid: Balance::ZERO,
            payable_from: NOW.saturating_add_ms(60 * DAY_MS),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn mailbox_query(&self) -> Signed<MailboxQuery> {
        let body = MailboxQuery {
            client: self.client.public_key(),
            ta: self.payee_ta.public_key(),
            after: 0,
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn mailbox_answer(&self) -> Signed<MailboxAnswer> {
        let body = MailboxAnswer {
            ta: self.payee_ta.public_key(),
            providers: vec![self.provider.clone()].try_into().expect("one item"),
            pairs: vec![self.pair()].try_into().expect("one item"),
            next: Some(17),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn credited_query(&self) -> Signed<CreditedQuery> {
        let body = CreditedQuery {
            client: self.client.public_key(),
            after: 17,
            wanted: vec![self.pair().hash()].try_into().expect("one item"),
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn credited_answer(&self) -> Signed<CreditedAnswer> {
        let body = CreditedAnswer {
            client: self.client.public_key(),
            payments: vec![self.pair().hash()].try_into().expect("one item"),
            next: 18,
            more: true,
            providers: vec![self.provider.clone()].try_into().expect("one item"),
            pairs: vec![self.pair()].try_into().expect("one item"),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn provider_directory(&self) -> Signed<ProviderDirectory> {
        let entry = DirectoryEntry {
            provider: self.own(),
            name: name("Ferry Line Bank"),
            epoch: 1,
            list_key: self.list_key().public_key(),
            standing: ProviderStanding::Live,
        };
        let body = ProviderDirectory {
            version: ListVersion {
                epoch: 1,
                number: 2,
            },
            issued: NOW,
            providers: vec![entry].try_into().expect("one item"),
        };

        Signed::sign(body, &self.root)
    }

    pub(crate) fn deny_list_piece(&self) -> Signed<DenyListPiece> {
        let entry = DenyEntry {
            key: self.payer_ta.public_key(),
            not_after: NOW.saturating_add_ms(30 * DAY_MS),
        };
        let body = DenyListPiece {
            provider: self.own(),
            version: ListVersion {
                epoch: 1,
                number: 3,
            },
            piece: 0,
            pieces: 1,
            issued: NOW,
            entries: vec![entry].try_into().expect("one item"),
        };

        Signed::sign(body, &self.list_key())
    }

    pub(crate) fn provider_request(&self) -> Signed<ProviderRequest> {
        let body = ProviderRequest {
            provider: self.own(),
            name: name("Ferry Line Bank"),
            currency: euro(),
            subject: self.certify.public_key(),
            answer_key: self.answer.public_key(),
            list_key: self.list_key().public_key(),
            limits_max: limits(50_000),
            made: NOW,
        };

        Signed::sign(body, &self.certify)
    }

    pub(crate) fn forward(&self) -> Signed<Forward> {
        let body = Forward {
            from: OTHER,
            to: self.own(),
            providers: vec![self.provider.clone()].try_into().expect("one item"),
            pairs: vec![self.pair()].try_into().expect("one item"),
        };

        Signed::sign(body, &self.other_answer())
    }

    /// Accepts one pair, and refuses another with the evidence of both.
    pub(crate) fn forward_answer(&self) -> Signed<ForwardAnswer> {
        let body = ForwardAnswer {
            from: self.own(),
            to: OTHER,
            items: vec![
                (self.pair().hash(), ForwardOutcome::Accepted),
                (
                    self.second_pair().hash(),
                    ForwardOutcome::Refused(ForwardRefused::Conflict(Box::new(self.evidence()))),
                ),
                (
                    digest(0x77),
                    ForwardOutcome::Refused(ForwardRefused::BeyondLimit {
                        spent: 150_000,
                        honoured: 100_000,
                    }),
                ),
                (digest(0x78), ForwardOutcome::Waiting),
            ]
            .try_into()
            .expect("four items"),
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }

    /// Another payment of the same TA with the same number: a refund link that the first has not.
    pub(crate) fn second_pair(&self) -> ops_proto::PaymentPair {
        self.pair_of(Payment {
            refund_of: Some(digest(0x66)),
            ..self.payment_body()
        })
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            first: Statement::Payment(self.pair()),
            second: Statement::Payment(self.second_pair()),
        }
    }

    pub(crate) fn settlement(&self) -> Signed<Settlement> {
        let body = Settlement {
            debtor: self.own(),
            creditor: OTHER,
            number: 1,
            amount: amount(1250),
            currency: euro(),
            reference: digest(0x67),
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn settlement_ack(&self) -> Signed<SettlementAck> {
        let body = SettlementAck {
            settlement: self.settlement().hash(),
            stamp: STAMP,
        };

        Signed::sign(body, &self.other_answer())
    }

    pub(crate) fn settlements_query(&self) -> Signed<SettlementsQuery> {
        let body = SettlementsQuery {
            debtor: self.own(),
            creditor: OTHER,
            after: 0,
            incarnation: 2,
        };

        Signed::sign(body, &self.answer)
    }

    pub(crate) fn settlements_answer(&self) -> Signed<SettlementsAnswer> {
        let body = SettlementsAnswer {
            debtor: self.own(),
            creditor: OTHER,
            settlements: vec![self.settlement()].try_into().expect("one settlement"),
            more: false,
            stamp: STAMP,
        };

        Signed::sign(body, &self.other_answer())
    }

    pub(crate) fn remembered(&self) -> Signed<Remembered> {
        let order = ops_proto::message::DepositOrder {
            open: self.deposit_open(),
            endorsement: self.endorsement(),
        };
        let items = vec![
            RememberedItem::Deposit(order, self.deposit_answer()),
            RememberedItem::Withdraw(self.withdraw(), self.withdraw_ack()),
        ];
        let body = Remembered {
            client: self.client.public_key(),
            items: items.try_into().expect("two items"),
            challenge: [0x44; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn remembered_lists(&self) -> Signed<Remembered> {
        let items = vec![RememberedItem::DenyList(self.deny_list_piece())];
        let body = Remembered {
            client: self.client.public_key(),
            items: items.try_into().expect("one item"),
            challenge: [0x45; 32],
        };

        Signed::sign(body, &self.client)
    }

    pub(crate) fn remembered_answer(&self) -> Signed<RememberedAnswer> {
        let body = RememberedAnswer {
            client: self.client.public_key(),
            known: 2,
            stamp: STAMP,
        };

        Signed::sign(body, &self.answer)
    }
}
