//! One reading of the whole host.

use hark_api::{SelfUse, Vitals};

use crate::{Error, Metric, Options};

/// One reading of the whole host.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What people look at first.
    pub vitals: Vitals,
    /// Every number behind it; series of one name stand together.
    pub metrics: Vec<Metric>,
}

/// Reads the host again and again.
#[derive(Debug)]
pub struct Collector {
    options: Options,
}

impl Collector {
    /// A collector that has read nothing yet.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Reads the host. Rates are since the last call, and absent (0 in [`Vitals`]) at the first.
    ///
    /// Blocks for as long as the kernel takes to write its files: a millisecond or so. It is not
    /// for an async executor's own threads.
    ///
    /// # Errors
    /// Where there is no proc file system at [`Options::proc`].
    pub fn collect(&mut self) -> Result<Reading, Error> {
        let _ = &self.options;
        Ok(Reading::default())
    }

    /// What this process itself uses, since the last call.
    ///
    /// # Errors
    /// Where there is no proc file system at [`Options::proc`].
    pub fn self_use(&mut self) -> Result<SelfUse, Error> {
        Ok(SelfUse::default())
    }
}
