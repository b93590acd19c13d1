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
    /// Database files whose own structure was damaged, by name. redb has repaired what it could.
    pub corrupt: Vec<&'static str>,
}

impl Check {
    /// Whether everything is as it was written.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.corrupt.is_empty()
    }
}

impl Inner {
    /// Reads every page of the database files and every event.
    pub(crate) fn check(&self) -> Result<Check, Error> {
        let mut check = Check::default();
        // No block is sealed or removed meanwhile.
        let sealer = self.sealing.pause();
        for (name, file) in [("main.redb", &self.main), ("hot.redb", &self.hot)] {
            match file.check() {
                Ok(true) => {}
                Ok(false) | Err(Error::Corrupt { .. } | Error::Database { .. }) => {
                    check.corrupt.push(name);
                }
                Err(error) => return Err(error),
            }
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
