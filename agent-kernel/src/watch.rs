//! What the kernel is asked without programs: listening sockets, and the pressure on resources.

use hark_api::FeatureState;

use crate::backlog::Backlogs;
use crate::loader::unavailable;
use crate::pressure::{self, Trigger};
use crate::table::Table;
use crate::{Feature, KernelEvent, Options};

/// What is asked.
#[derive(Default)]
pub(crate) struct Watches {
    triggers: Vec<Trigger>,
    backlogs: Option<Backlogs>,
}

impl Watches {
    /// Turns one of the features on that have no programs.
    pub(crate) fn turn_on(&mut self, feature: Feature, options: &Options) -> FeatureState {
        let done = match feature {
            Feature::Pressure => pressure::watch(options.pressure).map(|t| self.triggers = t),
            Feature::ListenOverflow => Backlogs::open().map(|b| self.backlogs = Some(b)),
            _ => Ok(()),
        };
        match done {
            Ok(()) => FeatureState::On,
            Err((reason, remedy)) => unavailable(reason, remedy),
        }
    }

    /// Puts what the kernel says of pressure into `events`.
    pub(crate) fn look_at_pressure(&mut self, events: &mut Vec<KernelEvent>) {
        events.extend(self.triggers.iter_mut().filter_map(Trigger::look));
    }

    /// Puts what the kernel says of sockets into `events`. Once a second is enough.
    pub(crate) fn look_at_sockets(&mut self, table: &mut Table, events: &mut Vec<KernelEvent>) {
        if let Some(backlogs) = &mut self.backlogs {
            backlogs.look(table, events);
        }
    }
}
