//! Books nothing, by the way on which everything is booked.

use super::{Desk, Stop, refuse};
use crate::refusal::Code;
use crate::store::StoreError;

/// Asks whether messages would be booked.
#[derive(Debug)]
pub(crate) struct Probe {
    /// What is written; it takes room, as messages do.
    pub(crate) filler: Vec<u8>,
}

impl Probe {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        if let Some(newest) = at.unit.written_after(at.now).await? {
            return Err(refuse(
                Code::Busy,
                format!(
                    "the clock says {}, and the books were last written to at {newest}: a clock is wrong",
                    at.now
                ),
            ));
        }
        match at.unit.probe(&self.filler).await {
            Ok(()) => Ok(Vec::new()),
            Err(StoreError::Newer) => Err(refuse(
                Code::Busy,
                "a newer program has changed the books: run that one",
            )),
            Err(error) => Err(error.into()),
        }
    }
}
