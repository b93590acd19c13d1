//! Scrubbing: reading everything once to see whether it is still what was written.

use hark_api::EventId;

use crate::Error;
use crate::sealed::Reader;
use crate::store::{Inner, lock};

/// What [`Store::check`](crate::Store::check) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Blocks that were read.
    pub blocks: u64,
    /// Events that were read.
    pub events: u64,
    /// The first ids of blocks that are damaged; they are set aside.
    pub damaged: Vec<EventId>,
    /// What else is damaged, in words: the database file itself, of which redb has repaired what it
    /// could, and commits in the log that are not sealed.
    pub corrupt: Vec<String>,
}

impl Check {
    /// Whether everything is as it was written.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.corrupt.is_empty()
    }
}

impl Inner {
    /// Reads every page of the database file, the log, and every event.
    pub(crate) fn check(&self) -> Result<Check, Error> {
        let mut check = Check::default();
        // No block is sealed or removed meanwhile.
        let sealer = self.sealing.pause();
        match self.main.check() {
            Ok(true) => {}
            Ok(false) | Err(Error::Corrupt { .. } | Error::Database { .. }) => {
                let what = "main.redb was damaged, and repaired as far as it can be";
                check.corrupt.push(what.to_owned());
            }
            Err(error) => return Err(error),
        }
        let blocks = self.index().blocks.clone();
        for known in blocks.iter() {
            let read = self.main.read("checking blocks", |txn| {
                let reader = Reader::new(txn)?;
                let Some(Ok(head)) = reader.head(known.first)? else {
                    return Ok(None);
                };
                let Some(Ok(block)) = reader.block(known.first)? else {
                    return Ok(None);
                };
                let whole = (0..block.len()).all(|i| block.event(i).is_ok());
                Ok((whole && head.count == block.len() as u64).then_some(head.count))
            })?;
            check.blocks += 1;
            match read {
                Some(events) => check.events += events,
                None => check.damaged.push(known.first),
            }
        }
        drop(sealer);
        {
            let commits = lock(&self.committing);
            check
                .corrupt
                .extend(commits.log.check(self.index().sealed)?);
        }
        let index = self.index().clone();
        for row in &index.hot {
            check.events += row
                .rows()
                .flatten()
                .filter(|row| row.id > index.sealed)
                .count() as u64;
        }
        self.set_aside(check.damaged.clone());
        let aside: Vec<_> = lock(&self.damaged).drain(..).collect();
        crate::sealed::set_aside(&self.main, &aside)?;
        Ok(check)
    }
}
