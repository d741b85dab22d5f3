//! Challenges: what a signature must cover so that it cannot be replayed.

use ops_proto::PublicKey;

use super::{Desk, Stop, refuse};
use crate::limits::{CHALLENGE_LIFE_MS, CHALLENGES_MAX};
use crate::refusal::{Code, Refusal};

/// A key asks for a challenge.
#[derive(Debug)]
pub(crate) struct Challenge {
    subject: PublicKey,
}

pub(super) fn prepare(body: &[u8]) -> Result<Challenge, Refusal> {
    let key: [u8; 32] = body
        .try_into()
        .map_err(|_| Refusal::new(Code::Malformed, "the body is not a key of 32 bytes"))?;
    let subject = PublicKey(key);
    subject
        .check()
        .map_err(|error| Refusal::new(Code::KeyRefused, error))?;

    Ok(Challenge { subject })
}

impl Challenge {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        at.unit.expire_challenges(at.now).await?;
        let mut challenge = [0; 32];
        host::entropy::fill(&mut challenge)
            .map_err(|_| refuse(Code::Internal, "the system has no randomness"))?;
        let expires = at.now.saturating_add_ms(CHALLENGE_LIFE_MS);
        at.unit
            .put_challenge(&challenge, &self.subject, expires, CHALLENGES_MAX)
            .await?;

        Ok(challenge.to_vec())
    }
}

/// Uses the challenge of a message up.
pub(super) async fn use_up(
    at: &mut Desk<'_, '_>,
    challenge: &[u8; 32],
    subject: &PublicKey,
) -> Result<(), Stop> {
    if !at.unit.use_challenge(challenge, subject, at.now).await? {
        let message = "the challenge is unknown, used, expired or for another key";
        return Err(refuse(Code::Challenge, message));
    }

    Ok(())
}
