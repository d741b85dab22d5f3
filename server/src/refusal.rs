//! Why the server refuses: a stable code, a sentence, and what to do.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::meter;

/// What a refused request is told. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence.
    pub message: String,
}

impl Refusal {
    /// Makes a refusal of this code with this sentence.
    #[must_use]
    pub fn new(code: Code, message: impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }
}

/// The stable codes of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no such message.
    Malformed,
    /// The body is larger than any such message.
    BodyTooLarge,
    /// There is nothing at this path.
    NotFound,
    /// The path takes another method.
    Method,
    /// A signature does not fit.
    Signature,
    /// The challenge is unknown, used, expired or for another key.
    Challenge,
    /// The key must not be certified.
    KeyRefused,
    /// The key is registered as something else.
    KeyTaken,
    /// Another client has the name.
    NameTaken,
    /// The client is not registered.
    ClientUnknown,
    /// The TA is not registered.
    TaUnknown,
    /// The owner has another TA.
    TaBound,
    /// The device's word for its TA is refused.
    Quote,
    /// Two statements of the TA contradict each other.
    Evidence,
    /// The TA is suspended.
    Suspended,
    /// Statements are missing between what is known and what was sent.
    ChainGap,
    /// The status is older than the last that was accepted.
    Superseded,
    /// The TA has retired or is dead.
    TaEnded,
    /// Deposits or withdrawals are missing before this one.
    CounterGap,
    /// The key is registered as nothing that has a certificate.
    SubjectUnknown,
    /// Another certificate of the key is the newest.
    CertificateNumber,
    /// A payment that the status covers is not known here.
    ReportFirst,
    /// The status does not fit the books.
    BooksDiffer,
    /// The token of an administrator is missing or another.
    Unauthorized,
    /// A value is not one that the field may have.
    Value,
    /// Several clients have the name.
    Ambiguous,
    /// The reference was used for something else.
    ReferenceUsed,
    /// What is asked for does not fit what the TA is.
    Standing,
    /// Something of the kind is under way.
    UnderWay,
    /// The books are kept by a program that this machine lacks a tool for, or that says no.
    Tool,
    /// Too many requests.
    TooMany,
    /// The server has too much to do.
    Busy,
    /// The request took too long.
    Timeout,
    /// Whether the request took effect is not known.
    OutcomeUnknown,
    /// The server failed.
    Internal,
}

impl Code {
    /// Returns the code as it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BodyTooLarge => "body-too-large",
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Signature => "signature",
            Self::Challenge => "challenge",
            Self::KeyRefused => "key-refused",
            Self::KeyTaken => "key-taken",
            Self::NameTaken => "name-taken",
            Self::ClientUnknown => "client-unknown",
            Self::TaUnknown => "ta-unknown",
            Self::TaBound => "ta-bound",
            Self::Quote => "quote",
            Self::Evidence => "evidence",
            Self::Suspended => "suspended",
            Self::ChainGap => "chain-gap",
            Self::Superseded => "superseded",
            Self::TaEnded => "ta-ended",
            Self::CounterGap => "counter-gap",
            Self::SubjectUnknown => "subject-unknown",
            Self::CertificateNumber => "certificate-number",
            Self::ReportFirst => "report-first",
            Self::BooksDiffer => "books-differ",
            Self::Unauthorized => "unauthorized",
            Self::Value => "value",
            Self::Ambiguous => "client-ambiguous",
            Self::ReferenceUsed => "reference-used",
            Self::Standing => "standing",
            Self::UnderWay => "under-way",
            Self::Tool => "tool",
            Self::TooMany => "too-many",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Internal => "internal",
        }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::KeyRefused => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Value => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound | Self::ClientUnknown | Self::TaUnknown | Self::SubjectUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Signature | Self::Quote => StatusCode::FORBIDDEN,
            Self::Challenge
            | Self::KeyTaken
            | Self::NameTaken
            | Self::TaBound
            | Self::Evidence
            | Self::Suspended
            | Self::ChainGap
            | Self::Superseded
            | Self::TaEnded
            | Self::CounterGap
            | Self::CertificateNumber
            | Self::ReportFirst
            | Self::Ambiguous
            | Self::ReferenceUsed
            | Self::Standing
            | Self::UnderWay
            | Self::Tool
            | Self::BooksDiffer => StatusCode::CONFLICT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Timeout | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns what to do.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Malformed => "send the message exactly as docs/protocol.md lays it out",
            Self::BodyTooLarge => "send at most 500 pairs or 4096 statements at once",
            Self::NotFound => "check the path and the version in it",
            Self::Method => "use the method that docs/protocol.md names",
            Self::Signature => "sign with the key that the message names",
            Self::Challenge => "ask for a new challenge for this key and sign again",
            Self::KeyRefused => "make a new Ed25519 key",
            Self::KeyTaken => "make a new key; one that was ever registered is not bound again",
            Self::NameTaken => "choose another name; if it is yours, ask the provider who has it",
            Self::ClientUnknown => "register the client first",
            Self::TaUnknown => "register the TA first",
            Self::TaBound => "retire the other TA, or report it dead, and register this one then",
            Self::Quote => "use a device and a TA that this provider allows",
            Self::Evidence => "the TA was cloned or rolled back; ask the provider",
            Self::Suspended => "ask the provider",
            Self::ChainGap => "send every statement after the last token's status",
            Self::Superseded => "send the newest status",
            Self::TaEnded => {
                "register a new TA; what this one held is its owner's, at once or after the claim window"
            }
            Self::CounterGap => {
                "send the deposits and withdrawals that come before, oldest first, and this one again"
            }
            Self::SubjectUnknown => "register the key first",
            Self::CertificateNumber => {
                "renew the newest certificate; ask for it by its number less one"
            }
            Self::ReportFirst => {
                "report every payment, sent and collected, and send the status again"
            }
            Self::BooksDiffer => "the TA is suspended; ask the provider",
            Self::Unauthorized => {
                "send `Authorization: Bearer TOKEN` with the token of the file admin-token"
            }
            Self::Value => "see /openapi.json for what the field may be",
            Self::Ambiguous => "name the client by its key",
            Self::ReferenceUsed => "choose another reference for another credit",
            Self::Standing => "look at the account first",
            Self::UnderWay => "wait until it ends",
            Self::Tool => {
                "install the tool on the server's machine, or back the database up by its own means"
            }
            Self::TooMany => "wait as long as Retry-After says",
            Self::Busy => "wait as long as Retry-After says",
            Self::Timeout => "send the same message again; a repeat is recognised",
            Self::OutcomeUnknown => "send the same message again; a repeat is recognised",
            Self::Internal => "send the same message again later; the server's log says more",
        }
    }

    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooMany | Self::Busy | Self::Timeout | Self::OutcomeUnknown => {
                Some(Duration::from_secs(1))
            }
            Self::Malformed
            | Self::BodyTooLarge
            | Self::NotFound
            | Self::Method
            | Self::Signature
            | Self::Challenge
            | Self::KeyRefused
            | Self::KeyTaken
            | Self::NameTaken
            | Self::ClientUnknown
            | Self::TaUnknown
            | Self::TaBound
            | Self::Quote
            | Self::Evidence
            | Self::Suspended
            | Self::ChainGap
            | Self::Superseded
            | Self::TaEnded
            | Self::CounterGap
            | Self::SubjectUnknown
            | Self::CertificateNumber
            | Self::ReportFirst
            | Self::BooksDiffer
            | Self::Unauthorized
            | Self::Value
            | Self::Ambiguous
            | Self::ReferenceUsed
            | Self::Standing
            | Self::UnderWay
            | Self::Tool
            | Self::Internal => None,
        }
    }
}

/// The body of a refusal. Nothing was changed.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Refusal)]
pub(crate) struct RefusalBody {
    /// The stable code.
    code: &'static str,
    /// What is wrong, in one sentence.
    message: String,
    /// What to do.
    hint: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(RefusalBody {
            code: self.code.as_str(),
            message: self.message,
            hint: self.code.hint(),
        });
        let mut response = (self.code.status(), body).into_response();
        if let Some(wait) = self.code.retry_after() {
            let seconds = HeaderValue::from(wait.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            meter::told_to_wait(self.code.as_str());
        }
        if self.code == Code::Unauthorized {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }

        response
    }
}
