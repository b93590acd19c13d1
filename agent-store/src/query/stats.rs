//! Counts: by time and by the values of fields.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use hark_api::filter::{Field, Record};
use hark_api::{Tier, Timestamp};

use crate::Error;
use crate::files::DbFile;
use crate::index::Index;
use crate::query::chunk::{Asked, Chunk, Looked, look, on_threads};
use crate::query::{Bucket, Count, Facet, Findings, Stats, StatsQuery};

/// Distinct values of a facet that are counted each; further ones count as other.
const MAX_VALUES: usize = 100_000;
/// The most buckets: finer histograms are made coarser.
const MAX_BUCKETS: i64 = 10_000;

type Tiers = [u64; Tier::ALL.len()];

/// A field whose values are counted.
#[derive(Clone, Debug)]
enum Counted {
    Source,
    Kind,
    Level,
    Tier,
    Field(Field),
}

impl Counted {
    fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "source" => Self::Source,
            "kind" => Self::Kind,
            "level" => Self::Level,
            "tier" => Self::Tier,
            _ => {
                Self::Field(Field::parse(name).ok_or_else(|| Error::UnknownField(name.to_owned()))?)
            }
        })
    }

    fn value<'a>(&self, record: &'a dyn Record) -> Option<Cow<'a, str>> {
        match self {
            Self::Source => Some(record.source().as_str().into()),
            Self::Kind => Some(record.kind().as_str().into()),
            Self::Level => Some(record.level().as_str().into()),
            Self::Tier => Some(record.tier().as_str().into()),
            Self::Field(field) => record.text(field),
        }
    }
}

/// Counts so far.
#[derive(Debug, Default)]
struct Counts {
    tiers: Tiers,
    buckets: BTreeMap<i64, Tiers>,
    facets: Vec<Values>,
}

#[derive(Clone, Debug, Default)]
struct Values {
    counts: HashMap<String, u64>,
    other: u64,
    missing: u64,
}

impl Values {
    fn add(&mut self, value: Option<&str>, count: u64) {
        match value {
            None => self.missing += count,
            Some(value) => {
                if let Some(known) = self.counts.get_mut(value) {
                    *known += count;
                } else if self.counts.len() < MAX_VALUES {
                    self.counts.insert(value.to_owned(), count);
                } else {
                    self.other += count;
                }
            }
        }
    }
}

fn add(to: &mut Tiers, from: &Tiers) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

impl Counts {
    fn merge(&mut self, other: Self) {
        add(&mut self.tiers, &other.tiers);
        for (time, tiers) in other.buckets {
            add(self.buckets.entry(time).or_default(), &tiers);
        }
        self.facets
            .resize(self.facets.len().max(other.facets.len()), Values::default());
        for (to, from) in self.facets.iter_mut().zip(other.facets) {
            to.other += from.other;
            to.missing += from.missing;
            from.counts
                .iter()
                .for_each(|(value, count)| to.add(Some(value), *count));
        }
    }
}

pub(crate) fn stats(
    main: &DbFile,
    index: &Index,
    query: &StatsQuery,
    findings: &mut Findings,
) -> Result<Stats, Error> {
    let started = Instant::now();
    let counted: Vec<Counted> = query
        .facets
        .iter()
        .map(|name| Counted::parse(name))
        .collect::<Result<_, _>>()?;
    let asked = Asked::new(&query.filter, query.from, query.to, index.sealed);
    let chunks = asked.chunks(index);
    let width = query.bucket.map(|width| {
        let width = i64::try_from(width.as_nanos()).unwrap_or(i64::MAX).max(1);
        width.max(span(&chunks, &asked) / MAX_BUCKETS)
    });

    let mut counts = Counts::default();
    let mut complete = true;
    for wave in chunks.chunks(32) {
        if started.elapsed() > query.budget.time {
            complete = false;
            break;
        }
        let found = on_threads(wave, |chunk| count(main, chunk, &asked, width, &counted))?;
        for (chunk, found) in wave.iter().zip(found) {
            match found {
                Some(found) => counts.merge(found),
                None => findings.damaged.push(chunk.ids().0),
            }
        }
    }
    counts.facets.resize(counted.len(), Values::default());
    Ok(Stats {
        total: counts.tiers.iter().sum(),
        buckets: counts
            .buckets
            .into_iter()
            .map(|(time, tiers)| Bucket {
                time: Timestamp::from_nanos(time),
                tiers,
            })
            .collect(),
        facets: query
            .facets
            .iter()
            .zip(counts.facets)
            .map(|(field, values)| facet(field, values, query.top))
            .collect(),
        complete,
    })
}

/// The length of time that the chunks span, within what is asked for.
fn span(chunks: &[Chunk], asked: &Asked<'_>) -> i64 {
    let from = chunks
        .iter()
        .map(|chunk| chunk.times().0)
        .min()
        .unwrap_or_default();
    let to = chunks
        .iter()
        .map(|chunk| chunk.times().1)
        .max()
        .unwrap_or_default();
    let to = asked.to.map_or(to, |bound| to.min(bound));
    to.as_nanos()
        .saturating_sub(from.max(asked.from).as_nanos())
}

fn facet(field: &str, values: Values, top: usize) -> Facet {
    let mut counts: Vec<Count> = values
        .counts
        .into_iter()
        .map(|(value, count)| Count { value, count })
        .collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    let rest = counts.split_off(top.min(counts.len()));
    Facet {
        field: field.to_owned(),
        values: counts,
        other: values.other + rest.iter().map(|count| count.count).sum::<u64>(),
        missing: values.missing,
    }
}

/// Counts one chunk; `None` where it is damaged.
fn count(
    main: &DbFile,
    chunk: &Chunk,
    asked: &Asked<'_>,
    width: Option<i64>,
    counted: &[Counted],
) -> Result<Option<Counts>, Error> {
    let bucket = |time: Timestamp| {
        width.map(|width| {
            time.as_nanos()
                .saturating_sub(time.as_nanos().rem_euclid(width))
        })
    };
    let mut counts = Counts {
        facets: vec![Values::default(); counted.len()],
        ..Counts::default()
    };
    let (min, max) = chunk.times();
    // A summary has counts of tiers only, and of the whole block.
    let by_summary =
        bucket(min) == bucket(max) && counted.iter().all(|field| matches!(field, Counted::Tier));
    let looked = look(main, chunk, asked, by_summary, |item| {
        if asked.filter.matches(item.record) {
            let tier = item.record.tier() as usize;
            counts.tiers[tier] += 1;
            if let Some(bucket) = bucket(item.time) {
                counts.buckets.entry(bucket).or_default()[tier] += 1;
            }
            for (field, values) in counted.iter().zip(&mut counts.facets) {
                values.add(field.value(item.record).as_deref(), 1);
            }
        }
        Ok(())
    })?;
    match looked {
        Looked::Damaged => return Ok(None),
        Looked::All(tiers) => {
            counts.tiers = tiers;
            if let Some(bucket) = bucket(min) {
                counts.buckets.insert(bucket, tiers);
            }
            for values in &mut counts.facets {
                for (tier, count) in Tier::ALL.iter().zip(tiers).filter(|(_, count)| *count > 0) {
                    values.add(Some(tier.as_str()), count);
                }
            }
        }
        Looked::Nothing | Looked::Shown => {}
    }
    Ok(Some(counts))
}
