//! The miner: gives every line its template, in order of arrival.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::config::{Config, Rule, Stats};
use super::evidence::{self, WILDCARD_COUNTS};
use super::index::{self, HashKeyed, Index, SeededHash};
use super::parameter::{self, Parameter};
use super::pattern::Pattern;
use super::shape::Shaper;

/// A template's number: given once, never to another template, stable across restarts.
pub type TemplateId = u32;

/// The template of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its number.
    pub template: TemplateId,
    /// This line began the template: nothing like it was seen before, or it was forgotten.
    pub new: bool,
}

/// A template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) id: TemplateId,
    pub(super) pattern: Pattern,
    /// The pattern as text.
    pub(super) text: String,
    /// How often the pattern was widened; remembered shapes of an older one are looked up anew.
    pub(super) version: u32,
    /// How many lines it had.
    pub(super) lines: u64,
    /// When it was last seen, counted in lines.
    pub(super) last: u64,
}

/// Where the parameters of a shape are.
#[derive(Clone, Debug)]
struct Known {
    id: TemplateId,
    version: u32,
    /// The tokens at each wildcard; nothing where they are the variables of the shape.
    ranges: Option<Box<[(u16, u16)]>>,
}

/// Mines templates from lines, one by one, as they come.
///
/// Deterministic: the same lines give the same numbers. See [the module](super) for the method.
/// Saved and read back, it goes on with the same numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Checkpoint", into = "Checkpoint")]
pub struct Miner {
    pub(super) config: Config,
    pub(super) templates: HashKeyed<TemplateId, Template>,
    /// Merged templates, and what they were merged into. Chains are followed.
    pub(super) merged: BTreeMap<TemplateId, TemplateId>,
    pub(super) index: Index,
    /// Shapes that were seen, so that they need not be looked up in the index again.
    known: HashMap<Box<[u8]>, Known, SeededHash>,
    pub(super) next: TemplateId,
    pub(super) stats: Stats,
    shaper: Shaper,
    parameters: Vec<Parameter>,
}

impl Miner {
    /// A miner that knows nothing yet. Bounds out of range are moved into it.
    pub fn new(config: Config) -> Self {
        Self {
            config: config.clamped(),
            templates: HashKeyed::default(),
            merged: BTreeMap::new(),
            index: Index::default(),
            known: HashMap::default(),
            next: 1,
            stats: Stats::default(),
            shaper: Shaper::default(),
            parameters: Vec::new(),
        }
    }

    /// Gives the line its template. Of a text of several lines only the first that is not blank
    /// counts: the others (a stack trace, a dump) say nothing of what kind of message it is.
    pub fn push(&mut self, text: &str) -> Mined {
        let line = parameter::first_line(text, self.config.max_line);
        let offset = line.as_ptr().addr() - text.as_ptr().addr();
        self.stats.lines += 1;
        let limit = self.config.max_tokens;
        self.shaper
            .shape(line.as_bytes(), limit, self.config.without);
        if let Some(known) = self.known.get(self.shaper.key())
            && let Some(template) = self.templates.get_mut(&known.id)
            && template.version == known.version
        {
            template.lines += 1;
            template.last = self.stats.lines;
            let ranges = known.ranges.as_deref();
            parameter::place(self.shaper.tokens(), ranges, offset, &mut self.parameters);
            return Mined {
                template: known.id,
                new: false,
            };
        }
        self.look_up(offset)
    }

    /// What stands at the wildcards of the template in the text last pushed, in their order.
    pub fn variables(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The template of the shape that the shaper holds, which is not known, or not any more.
    fn look_up(&mut self, offset: usize) -> Mined {
        let shape = Pattern::of_key(self.shaper.key(), Vec::new());
        let before = self.stats.created;
        let id = self.place(shape.clone());
        self.parameters.clear();
        if let Some(template) = self.templates.get_mut(&id) {
            template.lines += 1;
            template.last = self.stats.lines;
            let pattern = &template.pattern;
            let plain = pattern.found().is_empty() && pattern.parts().len() == shape.parts().len();
            let ranges = (!plain).then(|| pattern.align(&shape).into_boxed_slice());
            parameter::place(
                self.shaper.tokens(),
                ranges.as_deref(),
                offset,
                &mut self.parameters,
            );
            if self.known.len() >= 4 * self.config.max_templates {
                self.known.clear();
            }
            let known = Known {
                id,
                version: template.version,
                ranges,
            };
            self.known.insert(shape.key().into(), known);
        }
        Mined {
            template: id,
            new: self.stats.created > before,
        }
    }

    /// Finds the template that covers the pattern, or makes one, merging those that it covers.
    fn place(&mut self, mut pattern: Pattern) -> TemplateId {
        let mut held: Option<Template> = None;
        loop {
            if let Some(id) = self.covering(&pattern) {
                if held.is_none() {
                    return id;
                }
                self.absorb(id, &mut held);
                if let Some(template) = &held {
                    let found = pattern.found().to_vec();
                    pattern = template.pattern.clone();
                    pattern.add_found(&found);
                }
                continue;
            }
            if self.widen(&mut pattern, &mut held) || self.gather(&mut pattern, &mut held) {
                continue;
            }
            break;
        }
        let id = match held {
            Some(mut template) => {
                self.sweep(&mut pattern, &mut template);
                template.version += 1;
                template.text = pattern.to_string();
                template.pattern = pattern;
                self.insert(template)
            }
            None => self.create(pattern),
        };
        if self.templates.len() > self.config.max_templates {
            self.forget(id);
        }
        id
    }

    /// The template that covers the pattern, as it stands or with each compound and each run of
    /// wildcards taken as one.
    fn covering(&self, pattern: &Pattern) -> Option<TemplateId> {
        let same = self.covering_as_is(pattern);
        if same.is_some() || self.config.without == Some(Rule::Spellings) {
            return same;
        }
        let collapsed = pattern.collapsed();
        collapsed
            .and_then(|collapsed| self.covering_as_is(&collapsed))
            .or_else(|| self.covering_as_is(&pattern.canonical()?))
    }

    /// The template that covers the pattern: the same one, or else that with the fewest found
    /// wildcards, the oldest of them.
    fn covering_as_is(&self, pattern: &Pattern) -> Option<TemplateId> {
        let covers = |id: &TemplateId| {
            self.templates
                .get(id)
                .is_some_and(|template| template.pattern.covers(pattern))
        };
        let same = self.index.with_hash(pattern.hash()).filter(covers);
        same.or_else(|| {
            let covering = self.index.covering(pattern);
            covering
                .filter(|(_, id)| covers(id))
                .min()
                .map(|(_, id)| id)
        })
    }

    /// Puts a wildcard where enough templates differ from the pattern in one word, and takes
    /// them out of the index into `held`. Gives whether it did.
    fn widen(&mut self, pattern: &mut Pattern, held: &mut Option<Template>) -> bool {
        if self.config.without == Some(Rule::Words) {
            return false;
        }
        let wider = index::places(pattern).find_map(|place| {
            let wildcard = self.index.with_hash(place.hash);
            let column = self.index.column(place.hash);
            let (words, needed) = column.map_or((0, 0), |column| (column.words(), column.needed()));
            let counts = if wildcard.is_some() {
                WILDCARD_COUNTS
            } else {
                0
            };
            if words + counts == 0 || words + counts + 1 < needed.max(place.needed) {
                return None;
            }
            let at = usize::from(place.at);
            let wider = pattern.with_wildcard(at..at + 1, true);
            let ids: Vec<_> = column
                .into_iter()
                .flat_map(index::Column::ids)
                .chain(wildcard)
                .collect();
            self.index.takes(&wider).then_some((wider, ids))
        });
        if let Some((wider, ids)) = wider {
            return self.absorb_covered(wider, &ids, pattern, held);
        }
        let Some((wider, ids)) = self.widen_together(pattern) else {
            return false;
        };
        self.absorb_covered(wider, &ids, pattern, held)
    }

    /// The pattern with a wildcard at each of the likely places where it differs from the
    /// templates that are equal to it elsewhere, if they are enough; and those.
    fn widen_together(&self, pattern: &Pattern) -> Option<(Pattern, Vec<TemplateId>)> {
        let likely = index::likely(pattern);
        if likely.len() < 2 || self.config.without == Some(Rule::Together) {
            return None;
        }
        let hash = pattern.hash_with(&likely);
        let wildcard = self.index.with_hash(hash);
        let counts = if wildcard.is_some() {
            WILDCARD_COUNTS
        } else {
            0
        };
        let mut ids = self.index.alike(hash).to_vec();
        if ids.len() + counts < evidence::LEAST {
            return None;
        }
        ids.extend(wildcard);
        let mut wider = pattern.clone();
        for place in likely {
            let at = usize::from(place);
            let differs = ids.iter().any(|id| {
                self.templates.get(id).is_some_and(|other| {
                    other.pattern.parts().len() > at && other.pattern.at(at) != pattern.at(at)
                })
            });
            if differs {
                wider = wider.with_wildcard(at..at + 1, true);
            }
        }
        self.index.takes(&wider).then_some((wider, ids))
    }

    /// Takes those templates out of the index into `held` that the pattern covers as they are
    /// one word, or one compound, away from it. Gives whether there were any.
    fn gather(&mut self, pattern: &mut Pattern, held: &mut Option<Template>) -> bool {
        let mut wider = pattern.clone();
        let mut ids = Vec::new();
        if let Some(column) = self.index.column(pattern.hash())
            && column.words() + WILDCARD_COUNTS >= column.needed()
            && self.config.without != Some(Rule::Words)
        {
            wider.add_found(&[column.at]);
            if self.index.takes(&wider) {
                ids.extend(column.ids());
            } else {
                wider = pattern.clone();
            }
        }
        if !ids.is_empty() {
            return self.absorb_covered(wider, &ids, pattern, held);
        }
        if self.config.without == Some(Rule::Spellings) {
            return false;
        }
        let mut wider = pattern.collapsed().unwrap_or_else(|| pattern.clone());
        let mut same: Vec<_> = self.index.runs(wider.hash()).to_vec();
        if wider.canonical().is_none() {
            same.extend_from_slice(self.index.spelled(wider.hash()));
            same.sort_unstable();
            same.dedup();
        }
        let mut any = false;
        for id in same {
            let Some(template) = self.templates.get(&id) else {
                continue;
            };
            let spellings = [template.pattern.collapsed(), template.pattern.canonical()];
            let mut spellings = spellings.into_iter().flatten();
            let Some(spelling) = spellings.find(|spelling| spelling.key() == wider.key()) else {
                continue;
            };
            wider.add_found(spelling.found());
            self.absorb(id, held);
            any = true;
        }
        if any {
            *pattern = wider;
        }
        any
    }

    fn absorb_covered(
        &mut self,
        mut wider: Pattern,
        ids: &[TemplateId],
        pattern: &mut Pattern,
        held: &mut Option<Template>,
    ) -> bool {
        let mut any = false;
        for id in ids {
            let Some(template) = self.templates.get(id) else {
                continue;
            };
            if wider.covers(&template.pattern) {
                wider.add_found(template.pattern.found());
                self.absorb(*id, held);
                any = true;
            }
        }
        if any {
            *pattern = wider;
        }
        any
    }

    /// Takes a template out of the index and merges it into `held`: the older one stays.
    fn absorb(&mut self, id: TemplateId, held: &mut Option<Template>) {
        let Some(template) = self.templates.remove(&id) else {
            return;
        };
        self.index.remove(id, &template.pattern);
        let Some(other) = held.take() else {
            *held = Some(template);
            return;
        };
        let (mut kept, gone) = if other.id < template.id {
            (other, template)
        } else {
            (template, other)
        };
        kept.lines += gone.lines;
        kept.last = kept.last.max(gone.last);
        kept.version = kept.version.max(gone.version);
        self.merged.insert(gone.id, kept.id);
        self.stats.merged += 1;
        *held = Some(kept);
    }

    /// Merges the templates that a widened pattern covers beyond those that led to it.
    fn sweep(&mut self, pattern: &mut Pattern, template: &mut Template) {
        let mut ids: Vec<_> = self
            .templates
            .values()
            .filter(|other| pattern.covers(&other.pattern))
            .map(|other| other.id)
            .collect();
        ids.sort_unstable();
        let mut held = Some(template.clone());
        for id in ids {
            self.absorb(id, &mut held);
        }
        if let Some(merged) = held {
            *template = merged;
        }
    }

    fn create(&mut self, pattern: Pattern) -> TemplateId {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        self.stats.created += 1;
        self.insert(Template {
            id,
            text: pattern.to_string(),
            pattern,
            version: 0,
            lines: 0,
            last: self.stats.lines,
        })
    }

    pub(super) fn insert(&mut self, template: Template) -> TemplateId {
        let id = template.id;
        self.index.insert(id, &template.pattern);
        self.templates.insert(id, template);
        id
    }

    /// Forgets the sixteenth of the templates that was unseen longest, but not `kept`.
    pub(super) fn forget(&mut self, kept: TemplateId) {
        let mut oldest: Vec<_> = self
            .templates
            .values()
            .filter(|template| template.id != kept)
            .map(|template| (template.last, template.id))
            .collect();
        oldest.sort_unstable();
        let excess = self
            .templates
            .len()
            .saturating_sub(self.config.max_templates);
        for (_, id) in oldest
            .into_iter()
            .take(excess.max(self.config.max_templates / 16))
        {
            if let Some(template) = self.templates.remove(&id) {
                self.index.remove(id, &template.pattern);
                self.stats.forgotten += 1;
            }
        }
        // What was merged into a forgotten template is forgotten with it, and so is the oldest of
        // what was merged, beyond a bound.
        let merged = std::mem::take(&mut self.merged);
        let resolve = |mut id| {
            while let Some(&next) = merged.get(&id) {
                id = next;
            }
            id
        };
        let alive: Vec<_> = merged
            .keys()
            .map(|&id| (id, resolve(id)))
            .filter(|(_, id)| self.templates.contains_key(id))
            .collect();
        let excess = alive.len().saturating_sub(8 * self.config.max_templates);
        self.merged = alive.into_iter().skip(excess).collect();
    }

    /// The template that a number means now: itself, or the older one that it was merged into.
    pub fn current(&self, mut id: TemplateId) -> TemplateId {
        // Merging leads to an older template only, so this ends.
        while let Some(&older) = self.merged.get(&id) {
            id = older;
        }
        id
    }

    /// The text of a template, with `<*>` for what varies; nothing when it was forgotten, or
    /// never was.
    pub fn text(&self, id: TemplateId) -> Option<&str> {
        let template = self.templates.get(&self.current(id))?;
        Some(&template.text)
    }

    /// How many lines a template had.
    pub fn seen(&self, id: TemplateId) -> u64 {
        let template = self.templates.get(&self.current(id));
        template.map_or(0, |template| template.lines)
    }

    /// The templates that are not forgotten, the oldest first: number, text, lines.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateId, &str, u64)> {
        let mut all: Vec<_> = self.templates.values().collect();
        all.sort_unstable_by_key(|template| template.id);
        all.into_iter()
            .map(|template| (template.id, template.text.as_str(), template.lines))
    }

    /// How many templates are not forgotten.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
