//! The miner: gives every line its template, in order of arrival.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::evidence::WILDCARD_COUNTS;
use super::index::{self, Index};
use super::pattern::Pattern;
use super::shape::Shaper;
use super::token::{Form, Token};
use super::variable::Kind;

/// A template's number: given once, never to another template, stable across restarts.
pub type TemplateId = u32;

/// The bounds of a [`Miner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Most templates. When one more comes, the sixteenth that was unseen longest is forgotten,
    /// which [`Stats::forgotten`] counts. At least 16.
    pub max_templates: usize,
    /// Most bytes of a line that are looked at; the rest is one parameter. 64 to 65,536.
    pub max_line: usize,
    /// Most words and punctuation characters of a line that are looked at; the rest is one
    /// parameter. 8 to 4,096.
    pub max_tokens: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_templates: 8192,
            max_line: 4096,
            max_tokens: 256,
        }
    }
}

impl Config {
    fn clamped(self) -> Self {
        Self {
            max_templates: self.max_templates.clamp(16, 1 << 24),
            max_line: self.max_line.clamp(64, 1 << 16),
            max_tokens: self.max_tokens.clamp(8, 1 << 12),
        }
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined<'a> {
    /// Its template.
    pub template: TemplateId,
    /// This line began the template: nothing like it was seen before, or it was forgotten.
    pub new: bool,
    /// What stands at the template's wildcards, in their order.
    pub parameters: &'a [Parameter],
}

/// What stands in a line at a wildcard of its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What it looks like.
    pub kind: Kind,
    /// Its first byte in the line.
    pub start: usize,
    /// One past its last byte. `line[start..end]` is text: both are character boundaries.
    pub end: usize,
}

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    id: TemplateId,
    pattern: Pattern,
    /// How often the pattern was widened; remembered shapes of an older one are looked up anew.
    version: u32,
    lines: u64,
    last: u64,
}

impl Template {
    /// Its number.
    pub fn id(&self) -> TemplateId {
        self.id
    }

    /// Its text, with `<*>` for what varies.
    pub fn text(&self) -> String {
        self.pattern.to_string()
    }

    /// How many lines it had.
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

/// Counts of what a miner did, and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Lines seen.
    pub lines: u64,
    /// Templates that were given a number.
    pub created: u64,
    /// Templates that turned out to be the same as an older one.
    pub merged: u64,
    /// Templates forgotten because there were more than [`Config::max_templates`].
    pub forgotten: u64,
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
/// See [the module](super) for the method.
#[derive(Debug)]
pub struct Miner {
    config: Config,
    templates: HashMap<TemplateId, Template>,
    /// Merged templates, and what they were merged into. Chains are followed.
    merged: BTreeMap<TemplateId, TemplateId>,
    index: Index,
    /// Shapes that were seen, so that they need not be looked up in the index again.
    known: HashMap<Box<[u8]>, Known>,
    next: TemplateId,
    stats: Stats,
    shaper: Shaper,
    parameters: Vec<Parameter>,
}

impl Miner {
    /// A miner that knows nothing yet. Bounds out of range are moved into it.
    pub fn new(config: Config) -> Self {
        Self {
            config: config.clamped(),
            templates: HashMap::new(),
            merged: BTreeMap::new(),
            index: Index::default(),
            known: HashMap::new(),
            next: 1,
            stats: Stats::default(),
            shaper: Shaper::default(),
            parameters: Vec::new(),
        }
    }

    /// Gives the line its template. Of a text of several lines only the first that is not blank
    /// counts: the others (a stack trace, a dump) say nothing of what kind of message it is.
    pub fn observe(&mut self, text: &str) -> Mined<'_> {
        let line = first_line(text, self.config.max_line);
        let offset = line.as_ptr().addr() - text.as_ptr().addr();
        self.stats.lines += 1;
        self.shaper.shape(line.as_bytes(), self.config.max_tokens);
        let mut new = false;
        let id = if let Some(known) = self.known.get(self.shaper.key())
            && let Some(template) = self.templates.get_mut(&known.id)
            && template.version == known.version
        {
            template.lines += 1;
            template.last = self.stats.lines;
            place_parameters(
                self.shaper.tokens(),
                known.ranges.as_deref(),
                offset,
                &mut self.parameters,
            );
            known.id
        } else {
            let (id, created) = self.look_up(offset);
            new = created;
            id
        };
        if line.len() < text.len() - offset && line.len() >= self.config.max_line - 3 {
            // The line was cut: what is left of it belongs to its last parameter, if any.
            let end = text[offset..]
                .find('\n')
                .map_or(text.len(), |length| offset + length);
            if let Some(last) = self.parameters.last_mut()
                && last.kind == Kind::Rest
            {
                last.end = end;
            }
        }
        Mined {
            template: id,
            new,
            parameters: &self.parameters,
        }
    }

    /// The template of the shape that the shaper holds, which is not known, or not any more.
    fn look_up(&mut self, offset: usize) -> (TemplateId, bool) {
        let shape = Pattern::of_key(self.shaper.key(), Vec::new());
        let before = self.stats.created;
        let id = self.place(shape.clone());
        let Some(template) = self.templates.get_mut(&id) else {
            unreachable!("a template that was just placed is there");
        };
        template.lines += 1;
        template.last = self.stats.lines;
        let pattern = &template.pattern;
        let plain = pattern.found().is_empty() && pattern.parts().len() == shape.parts().len();
        let ranges = (!plain).then(|| pattern.align(&shape).into_boxed_slice());
        place_parameters(
            self.shaper.tokens(),
            ranges.as_deref(),
            offset,
            &mut self.parameters,
        );
        let known = Known {
            id,
            version: template.version,
            ranges,
        };
        if self.known.len() >= 4 * self.config.max_templates {
            self.known.clear();
        }
        self.known.insert(shape.key().into(), known);
        (id, self.stats.created > before)
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

    /// The template that covers the pattern, as it stands or with a compound or a run of
    /// wildcards taken as one.
    fn covering(&self, pattern: &Pattern) -> Option<TemplateId> {
        self.covering_as_is(pattern)
            .or_else(|| self.covering_as_is(&pattern.collapsed()?))
            .or_else(|| {
                pattern.compounds().find_map(|compound| {
                    self.covering_as_is(&pattern.with_wildcard(compound, false))
                })
            })
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
            covering.filter(|(_, id)| covers(id)).min().map(|(_, id)| id)
        })
    }

    /// Puts a wildcard where enough templates differ from the pattern in one word, and takes
    /// them out of the index into `held`. Gives whether it did.
    fn widen(&mut self, pattern: &mut Pattern, held: &mut Option<Template>) -> bool {
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
        let Some((wider, ids)) = wider else {
            return false;
        };
        self.absorb_covered(wider, &ids, pattern, held)
    }

    /// Takes those templates out of the index into `held` that the pattern covers as they are
    /// one word, or one compound, away from it. Gives whether there were any.
    fn gather(&mut self, pattern: &mut Pattern, held: &mut Option<Template>) -> bool {
        let mut wider = pattern.clone();
        let mut ids = Vec::new();
        if let Some(column) = self.index.column(pattern.hash())
            && column.words() + WILDCARD_COUNTS >= column.needed()
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
        let collapsed = pattern.collapsed();
        let hash = collapsed.as_ref().map_or(pattern.hash(), Pattern::hash);
        let mut same = self.index.runs(hash).to_vec();
        if collapsed.is_none() {
            same.extend_from_slice(self.index.compounds(hash));
        }
        for &id in &same {
            self.absorb(id, held);
        }
        if let Some(collapsed) = collapsed
            && !same.is_empty()
        {
            *pattern = collapsed;
        }
        !same.is_empty()
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
            .map(Template::id)
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
            pattern,
            version: 0,
            lines: 0,
            last: self.stats.lines,
        })
    }

    fn insert(&mut self, template: Template) -> TemplateId {
        let id = template.id;
        self.index.insert(id, &template.pattern);
        self.templates.insert(id, template);
        id
    }

    /// Forgets the sixteenth of the templates that was unseen longest, but not `kept`.
    fn forget(&mut self, kept: TemplateId) {
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

    /// The template that `id` is now: itself, or what it was merged into. Nothing when it was
    /// forgotten, or never given.
    pub fn resolve(&self, mut id: TemplateId) -> Option<TemplateId> {
        // Merging only ever leads to an older template, so this ends.
        while let Some(&next) = self.merged.get(&id) {
            id = next;
        }
        self.templates.contains_key(&id).then_some(id)
    }

    /// The template with the number `id`, or what it was merged into.
    pub fn template(&self, id: TemplateId) -> Option<&Template> {
        self.templates.get(&self.resolve(id)?)
    }

    /// All templates, the oldest first.
    pub fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<_> = self.templates.values().collect();
        all.sort_unstable_by_key(|template| template.id);
        all
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Everything that a miner must know to go on after a restart with the same numbers.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            next: self.next,
            stats: self.stats,
            templates: self
                .templates()
                .into_iter()
                .map(|template| Saved {
                    id: template.id,
                    key: String::from_utf8_lossy(template.pattern.key()).into_owned(),
                    found: template.pattern.found().to_vec(),
                    lines: template.lines,
                    last: template.last,
                })
                .collect(),
            merged: self.merged.iter().map(|(&id, &into)| (id, into)).collect(),
        }
    }

    /// Goes on from a checkpoint, with bounds that may be others than before.
    ///
    /// What does not fit together in it (two templates of one number or one pattern, a template
    /// merged into a younger one) is left out and counted as forgotten.
    pub fn restore(config: Config, checkpoint: Checkpoint) -> Self {
        let mut miner = Self::new(config);
        miner.stats = checkpoint.stats;
        miner.next = checkpoint.next.max(1);
        for saved in checkpoint.templates {
            let length = saved
                .key
                .split([' ', char::from(super::shape::JOINT)])
                .count();
            let found = saved.found.iter().all(|&at| usize::from(at) < length)
                && saved.found.is_sorted_by(|a, b| a < b);
            let pattern = Pattern::of_key(saved.key.as_bytes(), saved.found);
            let taken = miner.templates.contains_key(&saved.id)
                || miner.index.with_hash(pattern.hash()).is_some();
            if taken || !found || pattern.parts().len() > usize::from(u16::MAX) {
                miner.stats.forgotten += 1;
                continue;
            }
            miner.next = miner.next.max(saved.id.saturating_add(1));
            miner.insert(Template {
                id: saved.id,
                pattern,
                version: 0,
                lines: saved.lines,
                last: saved.last,
            });
        }
        let merged = checkpoint.merged.into_iter();
        miner.merged = merged
            .filter(|(id, into)| into < id && !miner.templates.contains_key(id))
            .collect();
        if miner.templates.len() > miner.config.max_templates {
            miner.forget(0);
        }
        miner
    }
}

/// What a [`Miner`] saves: its templates with their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    next: TemplateId,
    stats: Stats,
    templates: Vec<Saved>,
    merged: Vec<(TemplateId, TemplateId)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    id: TemplateId,
    key: String,
    found: Vec<u16>,
    lines: u64,
    last: u64,
}

/// The first line of the text that is not blank, at most `limit` bytes of it.
fn first_line(text: &str, limit: usize) -> &str {
    let text = text.trim_start();
    let end = text.bytes().take(limit).position(|byte| byte == b'\n');
    let mut end = end.unwrap_or_else(|| text.len().min(limit));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn place_parameters(
    tokens: &[Token],
    ranges: Option<&[(u16, u16)]>,
    offset: usize,
    parameters: &mut Vec<Parameter>,
) {
    parameters.clear();
    let parameter = |first: &Token, last: &Token| {
        let kind = match first.form {
            Form::Variable(kind) if first.start == last.start => kind,
            _ if first.start == last.start => Kind::Word,
            _ => Kind::List,
        };
        Parameter {
            kind,
            start: offset + first.start,
            end: offset + last.end,
        }
    };
    match ranges {
        None => parameters.extend(
            tokens
                .iter()
                .filter(|token| matches!(token.form, Form::Variable(_)))
                .map(|token| parameter(token, token)),
        ),
        Some(ranges) => parameters.extend(ranges.iter().filter_map(|&(start, end)| {
            let tokens = tokens.get(usize::from(start)..usize::from(end))?;
            Some(parameter(tokens.first()?, tokens.last()?))
        })),
    }
}
