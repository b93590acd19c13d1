//! Several hosts, the worst first.

use std::cmp::Reverse;

use hark_api::{Health, IncidentRecord, Status, Tier, Timestamp, Vitals};

use super::history::memory_share;
use crate::clean::{self, Clean};

/// What a host told of itself.
pub(crate) struct Told {
    pub(crate) status: Status,
    pub(crate) vitals: Option<Vitals>,
    pub(crate) incidents: Vec<IncidentRecord>,
}

/// How a host does.
pub(crate) struct Host {
    /// What it is called, safe to show.
    pub(crate) name: String,
    /// Where its agent is.
    pub(crate) endpoint: Clean<String>,
    /// When it answered last.
    pub(crate) seen: Option<Timestamp>,
    /// Why it does not answer now.
    pub(crate) why: Option<Clean<String>>,
    /// How its agent does, in a word.
    pub(crate) health: &'static str,
    /// The gravest of its open incidents.
    pub(crate) tier: Tier,
    pub(crate) open: usize,
    /// What that incident is called.
    pub(crate) title: Clean<String>,
    /// Shares of 0 to 1.
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<f64>,
}

/// The hosts in the order of their coming; which one is seen by itself, and which is selected.
#[derive(Default)]
pub(crate) struct Hosts {
    pub(crate) all: Vec<Host>,
    /// The one that the other views are of.
    pub(crate) entered: usize,
    selected: Option<usize>,
    top: super::Top,
}

impl Hosts {
    /// A host that nothing is known of yet.
    pub(crate) fn add(&mut self, name: Option<&str>, endpoint: String) {
        self.all.push(Host {
            name: clean::text(name.unwrap_or(&endpoint)).into_owned(),
            endpoint: Clean::new(endpoint),
            seen: None,
            why: None,
            health: "asking",
            tier: Tier::Normal,
            open: 0,
            title: Clean::default(),
            cpu: None,
            memory: None,
        });
    }

    /// Takes in what a host told, or why it did not.
    pub(crate) fn told(&mut self, at: usize, told: Result<Told, String>, now: Timestamp) {
        let Some(host) = self.all.get_mut(at) else {
            return;
        };
        let told = match told {
            Ok(told) => told,
            Err(why) => {
                host.why = Some(Clean::new(why));
                return;
            }
        };
        host.why = None;
        host.seen = Some(now);
        host.health = match told.status.health {
            Health::Ok => "ok",
            Health::Degraded { .. } => "degraded",
            Health::Failing { .. } => "failing",
        };
        let mut incidents = super::incidents::Incidents::default();
        incidents.set(told.incidents, now);
        let open = incidents.open(now);
        let worst = incidents
            .open(now)
            .max_by_key(|record| record.incident.tier);
        host.tier = worst.map_or(Tier::Normal, |record| record.incident.tier);
        host.title = worst.map_or_else(Clean::default, |record| {
            Clean::new(record.incident.title.clone())
        });
        host.open = open.count();
        host.cpu = told.vitals.as_ref().map(|vitals| vitals.cpu.busy());
        host.memory = told.vitals.as_ref().map(memory_share);
    }

    /// The places of all, the worst first: who does not answer, then the gravest incidents.
    pub(crate) fn worst_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|at| {
            let host = &self.all[*at];
            let is_failing = host.health == "failing";
            let cpu = (host.cpu.unwrap_or(0.0) * 10.0) as i64;
            Reverse((
                host.why.is_some(),
                is_failing,
                host.tier,
                host.open,
                cpu,
                Reverse(*at),
            ))
        });
        order
    }

    /// The row of the selected one, the worst where none is.
    pub(crate) fn selected_row(&self) -> usize {
        let order = self.worst_first();
        let selected = self.selected;
        order
            .iter()
            .position(|at| Some(*at) == selected)
            .unwrap_or(0)
    }

    /// Selects the host on a row.
    pub(crate) fn select(&mut self, row: usize) {
        let order = self.worst_first();
        self.selected = order.get(row.min(order.len().saturating_sub(1))).copied();
    }

    /// The selected one's place.
    pub(crate) fn selected(&self) -> Option<usize> {
        self.worst_first().get(self.selected_row()).copied()
    }

    /// The first row to draw.
    pub(crate) fn top(&self, height: usize) -> usize {
        let row = self.selected_row();
        self.top.follow(row, height, self.all.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn the_worst_come_first_and_the_selection_stays() {
        let mut hosts = sample::hosts(None);
        let names = |hosts: &Hosts| -> Vec<String> {
            let order = hosts.worst_first().into_iter();
            order.map(|at| hosts.all[at].name.clone()).collect()
        };
        assert_eq!(names(&hosts), ["away", "db", "web", "new"]);
        hosts.select(2);
        let told = Told {
            status: sample::status(None),
            vitals: None,
            incidents: Vec::new(),
        };
        hosts.told(1, Ok(told), NOON);
        assert_eq!(
            hosts.selected().map(|at| hosts.all[at].name.as_str()),
            Some("web")
        );
    }
}
