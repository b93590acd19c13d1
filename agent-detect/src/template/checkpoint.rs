//! What a miner saves, to go on after a restart with the same numbers.

use serde::{Deserialize, Serialize};

use super::config::{Config, Stats};
use super::miner::{Miner, Template, TemplateId};
use super::pattern::Pattern;
use super::shape::JOINT;

/// A [`Miner`] as it is saved. The shapes that it remembers are left out: they are looked up anew.
#[derive(Serialize, Deserialize)]
pub(super) struct Checkpoint {
    config: Config,
    next: TemplateId,
    stats: Stats,
    templates: Vec<Saved>,
    merged: Vec<(TemplateId, TemplateId)>,
}

/// A [`Template`] as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    id: TemplateId,
    key: String,
    found: Vec<u16>,
    lines: u64,
    last: u64,
}

impl From<Miner> for Checkpoint {
    fn from(miner: Miner) -> Self {
        let mut templates: Vec<_> = miner
            .templates
            .into_values()
            .map(|template| Saved {
                id: template.id,
                key: String::from_utf8_lossy(template.pattern.key()).into_owned(),
                found: template.pattern.found().to_vec(),
                lines: template.lines,
                last: template.last,
            })
            .collect();
        templates.sort_unstable_by_key(|saved| saved.id);
        Self {
            config: miner.config,
            next: miner.next,
            stats: miner.stats,
            templates,
            merged: miner.merged.into_iter().collect(),
        }
    }
}

/// What does not fit together in a checkpoint (two templates of one number or one pattern, a
/// template merged into a younger one) is left out, and counted as forgotten.
impl From<Checkpoint> for Miner {
    fn from(checkpoint: Checkpoint) -> Self {
        let mut miner = Self::new(checkpoint.config);
        miner.stats = checkpoint.stats;
        miner.next = checkpoint.next.max(1);
        for saved in checkpoint.templates {
            let length = saved.key.split([' ', char::from(JOINT)]).count();
            let fits = u16::try_from(length).is_ok()
                && saved.found.iter().all(|&at| usize::from(at) < length)
                && saved.found.is_sorted_by(|a, b| a < b);
            let pattern = Pattern::of_key(saved.key.as_bytes(), saved.found);
            let taken = miner.templates.contains_key(&saved.id)
                || miner.index.with_hash(pattern.hash()).is_some();
            if taken || !fits {
                miner.stats.forgotten += 1;
                continue;
            }
            miner.next = miner.next.max(saved.id.saturating_add(1));
            miner.insert(Template {
                id: saved.id,
                text: pattern.to_string(),
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
