//! The incidents that the agent keeps, and the one that is looked at.

use std::cmp::Reverse;

use hark_api::{IncidentId, IncidentRecord, Timestamp};

use crate::clean::Clean;

#[derive(Default)]
pub(crate) struct Incidents {
    /// What needs a look first, first.
    records: Vec<Clean<IncidentRecord>>,
    selected: Option<IncidentId>,
    top: super::Top,
}

impl Incidents {
    /// Takes in the incidents that the agent keeps.
    pub(crate) fn set(&mut self, records: Vec<IncidentRecord>, now: Timestamp) {
        self.records = records.into_iter().map(Clean::new).collect();
        self.order(now);
    }

    /// Takes in one incident as it is now.
    pub(crate) fn change(&mut self, record: IncidentRecord, now: Timestamp) {
        let record = Clean::new(record);
        match self
            .records
            .iter_mut()
            .find(|r| r.incident.id == record.incident.id)
        {
            Some(slot) => *slot = record,
            None => self.records.push(record),
        }
        self.order(now);
    }

    /// What was known of them at a time: neither what came later, nor that they ended later.
    pub(crate) fn as_of(&self, at: Timestamp) -> Self {
        let begun = self.records.iter().filter(|r| r.incident.start <= at);
        let records = begun.map(|record| {
            let mut record = (**record).clone();
            let incident = &mut record.incident;
            incident.end = incident.end.filter(|end| *end <= at);
            let told = incident.evidence.len();
            incident.evidence.retain(|evidence| evidence.time <= at);
            if incident.evidence.len() < told {
                incident.findings = incident.evidence.len() as u64;
            }
            record.notes.retain(|note| note.time <= at);
            record.acknowledged = record.acknowledged.filter(|seen| seen.time <= at);
            record
        });
        let mut then = Self {
            selected: self.selected,
            ..Self::default()
        };
        then.set(records.collect(), at);
        then
    }

    fn order(&mut self, now: Timestamp) {
        self.records.sort_by_key(|record| {
            let incident = &record.incident;
            let is_open = needs_a_look(record, now);
            Reverse((is_open, incident.end.is_none(), incident.tier, incident.id))
        });
    }

    /// All, what needs a look first, first.
    pub(crate) fn all(&self) -> &[Clean<IncidentRecord>] {
        &self.records
    }

    /// Those that go on and that nobody has acknowledged or silenced.
    pub(crate) fn open(&self, now: Timestamp) -> impl Iterator<Item = &Clean<IncidentRecord>> {
        let records = self.records.iter();
        records.filter(move |record| needs_a_look(record, now))
    }

    pub(crate) fn selected_row(&self) -> usize {
        self.records
            .iter()
            .position(|record| Some(record.incident.id) == self.selected)
            .unwrap_or(0)
    }

    pub(crate) fn selected(&self) -> Option<&Clean<IncidentRecord>> {
        self.records.get(self.selected_row())
    }

    pub(crate) fn select(&mut self, row: usize) {
        if let Some(record) = self
            .records
            .get(row.min(self.records.len().saturating_sub(1)))
        {
            self.selected = Some(record.incident.id);
        }
    }

    pub(crate) fn selected_id(&self) -> Option<IncidentId> {
        self.selected
    }

    pub(crate) fn select_id(&mut self, id: Option<IncidentId>) {
        self.selected = id;
    }

    /// The first row to draw.
    pub(crate) fn top(&self, height: usize) -> usize {
        let row = self.selected_row();
        self.top.follow(row, height, self.records.len())
    }
}

/// Whether an incident is silenced now.
pub(crate) fn is_silenced(record: &IncidentRecord, now: Timestamp) -> bool {
    record.silenced_until.is_some_and(|until| until > now)
}

fn needs_a_look(record: &IncidentRecord, now: Timestamp) -> bool {
    record.incident.end.is_none() && record.acknowledged.is_none() && !is_silenced(record, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn what_needs_a_look_comes_first_and_the_selection_stays() {
        let mut incidents = Incidents::default();
        incidents.set(sample::incidents(None), NOON);
        let ids = |incidents: &Incidents| -> Vec<u64> {
            incidents.all().iter().map(|r| r.incident.id.0).collect()
        };
        assert_eq!(ids(&incidents), [2, 3, 1]);
        assert_eq!(incidents.open(NOON).count(), 2);
        incidents.select(0);
        let mut seen = sample::incidents(None).remove(1);
        seen.acknowledged = Some(hark_api::Acknowledgement {
            time: NOON,
            by: "uid 0".into(),
        });
        incidents.change(seen, NOON);
        assert_eq!(ids(&incidents), [3, 2, 1]);
        assert_eq!(incidents.selected().map(|r| r.incident.id.0), Some(2));
    }
}
