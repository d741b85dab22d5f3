//! One link of a payee, by what it waits for.

use ops_proto::certificate::Certificate;
use ops_proto::message::RequestPayment;
use ops_proto::{Digest, Signed};

use crate::code::{NonceCommitment, PayeeNonce};
use crate::error::{Failure, Waiting};
use crate::frame::{Assembler, ChunkSize};
use crate::gatt::RequestTag;
use crate::payment::talk::Talk;
use crate::session::{HandshakeHash, LinkEntropy, Opening, Responder};
use crate::time::Instant;

/// One link: at most one message under way in each direction, at most one session, ever.
#[derive(Debug)]
pub(super) struct PayeeLink {
    pub(super) entropy: LinkEntropy,
    pub(super) chunk: ChunkSize,
    pub(super) assembler: Assembler,
    pub(super) talk: Option<Talk>,
    pub(super) state: LinkState,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) enum LinkState {
    ExpectHello(ExpectHello),
    ExpectTurn(ExpectTurn),
    ExpectPayerChoice(ExpectPayerChoice),
    ExpectPayment(ExpectPayment),
    ExpectCollection(After),
    ExpectLeave(ExpectLeave),
    ExpectPayerGossip(ExpectPayerGossip),
    /// Only while a transition runs, and after a failure that is about to remove the link.
    Failed,
}

/// Flight ① is due.
#[derive(Debug)]
pub(super) struct ExpectHello {
    pub(super) deadline: Instant,
}

/// Flight ① is here; ② waits for its turn.
#[derive(Debug)]
pub(super) struct ExpectTurn {
    pub(super) responder: Box<Responder>,
    pub(super) tag: RequestTag,
    pub(super) opening: Opening,
    pub(super) deadline: Instant,
}

/// Flight ② is out: the payer chooses, sends a payment again, or leaves.
#[derive(Debug)]
pub(super) struct ExpectPayerChoice {
    pub(super) offered: ShownOffer,
    pub(super) chooser: Chooser,
    pub(super) resumes: u8,
    pub(super) deadline: Instant,
}

/// The request is this link's: its payment is due.
#[derive(Debug)]
pub(super) struct ExpectPayment {
    pub(super) offered: ShownOffer,
    pub(super) sender_provider: Signed<Certificate>,
    pub(super) deadline: Instant,
}

/// All is said; the payer hangs up.
#[derive(Debug)]
pub(super) struct ExpectLeave {
    pub(super) deadline: Instant,
}

/// The receipt is out; deny-lists may follow.
#[derive(Debug)]
pub(super) struct ExpectPayerGossip {
    pub(super) gossip: Gossip,
    pub(super) items: u8,
    pub(super) bad: u8,
    pub(super) deadline: Instant,
}

/// How far the exchange of deny-lists is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gossip {
    /// ⑦ is due.
    Awaited,
    /// ⑦ is here; the caller looks for what the payer lacks.
    Asked,
    /// ⑧ is out; ⑨ is due.
    Answered,
}

/// What flight ② showed: it stays good for this link, whatever becomes of the request.
#[derive(Clone, Debug)]
pub(super) struct ShownOffer {
    pub(super) tag: RequestTag,
    pub(super) request: Signed<RequestPayment>,
    pub(super) provider: Signed<Certificate>,
}

/// Who may choose, and what flight ③ must show.
#[derive(Debug)]
pub(super) enum Chooser {
    Browser,
    Committed {
        commitment: NonceCommitment,
        hash: HandshakeHash,
        nonce: PayeeNonce,
    },
    Scanner,
}

/// What follows once a payment is answered.
#[derive(Debug)]
pub(super) enum After {
    /// It was the payment of this session.
    Leave,
    /// It was sent again; the session goes on.
    GoOn(ExpectPayerChoice),
}

/// How readily a link makes room for another; the greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// Money is at stake: never.
    Never,
    Committed,
    Scanner,
    Stranger,
    /// It has not spoken yet.
    Silent,
    Leaving,
}

impl PayeeLink {
    /// Returns what the link waits for and until when.
    pub(super) const fn deadline(&self) -> Option<(Instant, Waiting)> {
        match &self.state {
            LinkState::ExpectHello(state) => Some((state.deadline, Waiting::Hello)),
            LinkState::ExpectTurn(state) => Some((state.deadline, Waiting::Turn)),
            LinkState::ExpectPayerChoice(state) => Some((state.deadline, Waiting::Choice)),
            LinkState::ExpectPayment(state) => Some((state.deadline, Waiting::Payment)),
            LinkState::ExpectLeave(state) => Some((state.deadline, Waiting::Leave)),
            LinkState::ExpectPayerGossip(state) => Some((state.deadline, Waiting::Gossip)),
            LinkState::ExpectCollection(_) | LinkState::Failed => None,
        }
    }

    /// Returns why the link must end, if something is overdue.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Failure> {
        if let Err(error) = self.assembler.handle_timeout(now) {
            return Some(error.into());
        }
        match self.deadline() {
            Some((deadline, waiting)) if deadline <= now => Some(Failure::TimedOut(waiting)),
            Some(_) | None => None,
        }
    }

    pub(super) const fn waiting(&self) -> Waiting {
        match &self.state {
            LinkState::ExpectHello(_) => Waiting::Hello,
            LinkState::ExpectTurn(_) => Waiting::Turn,
            LinkState::ExpectPayerChoice(_) => Waiting::Choice,
            LinkState::ExpectPayment(_) => Waiting::Payment,
            LinkState::ExpectCollection(_) => Waiting::Collection,
            LinkState::ExpectLeave(_) | LinkState::Failed => Waiting::Leave,
            LinkState::ExpectPayerGossip(_) => Waiting::Gossip,
        }
    }

    /// Returns the hash of the request whose payment is due.
    pub(super) fn awaited(&self) -> Option<Digest> {
        match &self.state {
            LinkState::ExpectPayment(state) => Some(state.offered.request.hash()),
            LinkState::ExpectHello(_)
            | LinkState::ExpectTurn(_)
            | LinkState::ExpectPayerChoice(_)
            | LinkState::ExpectCollection(_)
            | LinkState::ExpectLeave(_)
            | LinkState::ExpectPayerGossip(_)
            | LinkState::Failed => None,
        }
    }

    pub(super) const fn is_gossiping(&self) -> bool {
        matches!(self.state, LinkState::ExpectPayerGossip(_))
    }

    pub(super) const fn room(&self) -> Room {
        match &self.state {
            LinkState::ExpectPayment(_) | LinkState::ExpectCollection(_) => Room::Never,
            LinkState::ExpectPayerChoice(state) => match state.chooser {
                Chooser::Committed { .. } => Room::Committed,
                Chooser::Scanner => Room::Scanner,
                Chooser::Browser => Room::Stranger,
            },
            LinkState::ExpectTurn(state) => match state.opening {
                Opening::Scanned => Room::Scanner,
                Opening::Browsing | Opening::Committed(_) => Room::Stranger,
            },
            LinkState::ExpectHello(_) => Room::Silent,
            LinkState::ExpectLeave(_) | LinkState::ExpectPayerGossip(_) | LinkState::Failed => {
                Room::Leaving
            }
        }
    }
}
