//! Panic: nothing panics, whatever happens.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::panics;

pub(super) const CHECK: Check = Check {
    name: "Panic",
    when: When::Step,
    look: |_| {
        let faults = panics::take().into_iter().map(|(place, message)| {
            // the line changes with every edit, the file does not
            let (file, _) = place.split_once(':').unwrap_or((&place, ""));
            Fault::new("Panic", file, format!("{place}: {message}"))
        });
        let faults: Vec<_> = faults.collect();

        async move { Ok(faults) }.boxed_local()
    },
};
