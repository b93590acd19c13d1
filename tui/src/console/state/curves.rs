//! The metrics of an incident, over the time around it.

use hark_api::{Incident, IncidentId, SeriesData, SeriesKey, Timestamp};

use super::ask::Ask;

const SECOND: i64 = 1_000_000_000;
/// How long before an incident its curves begin at least, and how long after its end they end.
const BEFORE: i64 = 300 * SECOND;
const AFTER: i64 = 300 * SECOND;
/// How long a curve that goes on is not asked for again.
const EVERY: i64 = 5 * SECOND;
/// How long an answer is waited for.
const PATIENCE: i64 = 5 * SECOND;

/// From when to when.
pub(crate) type Window = (Timestamp, Timestamp);

/// The curves of one incident, as far as they have come.
#[derive(Default)]
pub(crate) struct Curves {
    incident: Option<IncidentId>,
    /// Each with the time that it reaches to.
    loaded: Vec<(SeriesData, Timestamp)>,
    /// What is waited for, since when.
    asked: Option<(SeriesKey, Window, Timestamp)>,
}

impl Curves {
    /// The time that an incident's curves show: some before it, so that one sees what changed.
    pub(crate) fn window(incident: &Incident, now: Timestamp) -> Window {
        let end = incident.end.map_or(now, |end| end.plus_nanos(AFTER));
        let end = end.min(now);
        let lasted = end.as_nanos() - incident.start.as_nanos();
        (incident.start.plus_nanos(-BEFORE.max(lasted / 2)), end)
    }

    /// A curve of an incident, where it has come.
    pub(crate) fn of(&self, incident: IncidentId, key: &SeriesKey) -> Option<&SeriesData> {
        let mut loaded = self.loaded.iter().map(|(data, _)| data);
        loaded.find(|data| self.incident == Some(incident) && data.key == *key)
    }

    /// What is to be asked to draw these series of an incident.
    pub(crate) fn ask(
        &mut self,
        now: Timestamp,
        incident: IncidentId,
        keys: &[SeriesKey],
        window: Window,
    ) -> Option<Ask> {
        if self.incident.replace(incident) != Some(incident) {
            self.loaded.clear();
            self.asked = None;
        }
        let is_waited_for = |since: Timestamp| now < since.plus_nanos(PATIENCE);
        if self
            .asked
            .as_ref()
            .is_some_and(|(.., since)| is_waited_for(*since))
        {
            return None;
        }
        let is_new = |key: &SeriesKey| {
            let mut loaded = self.loaded.iter();
            loaded.any(|(data, to)| data.key == *key && to.plus_nanos(EVERY) > window.1)
        };
        let key = keys.iter().find(|key| !is_new(key))?.clone();
        self.asked = Some((key.clone(), window, now));
        let (from, to) = window;
        Some(Ask::Data { key, from, to })
    }

    /// Takes in a curve where it was asked for here; hands it back where not.
    pub(crate) fn take(
        &mut self,
        data: SeriesData,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<SeriesData> {
        let is_mine =
            |(key, window, _): &(SeriesKey, Window, _)| *key == data.key && *window == (from, to);
        if !self.asked.as_ref().is_some_and(is_mine) {
            return Some(data);
        }
        self.asked = None;
        self.loaded.retain(|(old, _)| old.key != data.key);
        self.loaded.push((data, to));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn curves_are_asked_for_once_and_again_as_the_incident_goes_on() {
        let mut curves = Curves::default();
        let incident = &sample::incidents(None)[1].incident;
        let keys = [SeriesKey::from("a"), SeriesKey::from("b")];
        let at = |secs: i64| NOON.plus_nanos(secs * SECOND);
        let window = Curves::window(incident, NOON);
        assert_eq!(window, (at(-480), NOON));
        let ask = |curves: &mut Curves, now: Timestamp| {
            curves.ask(now, incident.id, &keys, Curves::window(incident, now))
        };
        let key = |ask: Option<Ask>| match ask {
            Some(Ask::Data { key, .. }) => Some(key.as_str().to_owned()),
            _ => None,
        };
        let data = |name: &str| SeriesData {
            key: name.into(),
            ..sample::memory_data()
        };
        assert_eq!(key(ask(&mut curves, NOON)).as_deref(), Some("a"));
        assert_eq!(
            key(ask(&mut curves, NOON)),
            None,
            "the answer is waited for"
        );
        assert!(
            curves.take(data("a"), at(-900), NOON).is_some(),
            "of another view"
        );
        assert!(curves.take(data("a"), window.0, window.1).is_none());
        assert_eq!(key(ask(&mut curves, NOON)).as_deref(), Some("b"));
        assert!(curves.take(data("b"), window.0, window.1).is_none());
        assert_eq!(key(ask(&mut curves, at(4))), None);
        assert_eq!(key(ask(&mut curves, at(5))).as_deref(), Some("a"));
        assert!(curves.of(incident.id, &keys[1]).is_some());
        assert!(curves.of(IncidentId(99), &keys[1]).is_none());
    }
}
