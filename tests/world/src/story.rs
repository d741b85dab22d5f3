//! A story: how network and air are, and what happens, one line each.
//!
//! ```text
//! # one backup begins one life twice
//! mark server: the next life is taken from the backup
//! finds C8 one number for two answers
//! net answers-lost 30
//! the books are lost and restored
//! Ada deposits 6.92
//! the books are lost and restored
//! ```
//!
//! A line with `#` is for people. `mark` names the half that will mend a known fault, `finds` the check and
//! the shape of what the story shows, `also` what else comes of it.

use std::fmt;
use std::rc::Rc;

use anyhow::{Context as _, bail};

use crate::conditions::Conditions;
use crate::fault::Fault;
use crate::steps::{self, Step};

/// What happens.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) conditions: Conditions,
    pub(crate) steps: Vec<Numbered>,
}

/// A step, and which of its plan it is: its luck hangs on that number alone.
#[derive(Clone)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) step: Rc<dyn Step>,
}

/// A story that is kept in a file.
pub(crate) struct Kept {
    pub(crate) story: Story,
    /// What is known of a fault that it shows; none for a story in which all is well.
    pub(crate) mark: Option<Marked>,
}

/// A known fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// The half that will mend it.
    pub(crate) half: String,
    /// What is wrong.
    pub(crate) why: String,
    /// The check that finds it.
    pub(crate) check: String,
    /// What it looks like.
    pub(crate) shape: String,
    /// What else comes of it, as `CHECK SHAPE`.
    pub(crate) also: Vec<String>,
}

impl Story {
    /// Returns the lines of its steps.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.steps.iter().map(|it| it.step.to_string()).collect()
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.conditions)?;
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }

        Ok(())
    }
}

impl Marked {
    /// Whether this is the fault that the story is kept for.
    pub(crate) fn finds(&self, fault: &Fault) -> bool {
        fault.check == self.check && fault.shape == self.shape
    }

    /// Whether it comes of that fault: a fault in money shows in many checks at once.
    pub(crate) fn is_of(&self, fault: &Fault) -> bool {
        self.finds(fault)
            || self
                .also
                .iter()
                .any(|also| *also == format!("{} {}", fault.check, fault.shape))
    }
}

impl Kept {
    /// Reads the text of a file.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let mut conditions = Conditions::default();
        let mut found_steps = Vec::new();
        let (mut half, mut finds, mut also) = (None, None, Vec::new());
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') || conditions.read(line) {
                continue;
            }
            if let Some(mark) = line.strip_prefix("mark ") {
                half = Some(mark.split_once(": ").context("a mark says `HALF: WHY`")?);
            } else if let Some(fault) = line.strip_prefix("finds ") {
                finds = Some(fault.split_once(' ').context("`finds` says CHECK SHAPE")?);
            } else if let Some(fault) = line.strip_prefix("also ") {
                also.push(fault.to_owned());
            } else if let Some(step) = steps::read(line) {
                let number = u64::try_from(found_steps.len())?;
                found_steps.push(Numbered { number, step });
            } else {
                bail!("nobody knows what {line:?} is");
            }
        }
        let mark = match (half, finds) {
            (Some((half, why)), Some((check, shape))) => Some(Marked {
                half: half.to_owned(),
                why: why.to_owned(),
                check: check.to_owned(),
                shape: shape.to_owned(),
                also,
            }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => bail!("`mark` and `finds` go together"),
        };

        Ok(Self {
            story: Story {
                conditions,
                steps: found_steps,
            },
            mark,
        })
    }
}
