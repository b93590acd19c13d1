//! Where events are looked for: one hot row or one block at a time.

use std::sync::Arc;
use std::thread;

use hark_api::filter::{Expr, Record, Test};
use hark_api::{Event, EventId, Filter, Timestamp};

use crate::Error;
use crate::block::{Block, Known, Tokens, View, certain, needs_tokens, possible};
use crate::files::DbFile;
use crate::hot::HotRow;
use crate::index::{BlockRef, Index};
use crate::query::Findings;
use crate::row::Row;
use crate::sealed::Reader;
use crate::wire::{Malformed, Read};

/// A hot row or a block.
#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    Hot(Arc<HotRow>),
    Block(BlockRef),
}

impl Chunk {
    pub(crate) fn times(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Hot(row) => (row.min_time, row.max_time),
            Self::Block(block) => (block.min_time, block.max_time),
        }
    }

    pub(crate) fn ids(&self) -> (EventId, EventId) {
        match self {
            Self::Hot(row) => (row.first, row.last),
            Self::Block(block) => (block.first, block.last),
        }
    }
}

/// What is asked, in the form in which it is asked of every chunk.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) filter: &'a Filter,
    /// Times not before, and before.
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
    needs_tokens: bool,
    /// Hot rows' events up to this one are in blocks.
    sealed: EventId,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(
        filter: &'a Filter,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        sealed: EventId,
    ) -> Self {
        let mut asked = Self {
            filter,
            from: from.unwrap_or(Timestamp::from_nanos(i64::MIN)),
            to,
            needs_tokens: needs_tokens(filter.expr()),
            sealed,
        };
        asked.narrow(filter.expr());
        asked
    }

    /// Takes over the times that the filter asks for whatever else it does.
    fn narrow(&mut self, expr: &Expr) {
        match expr {
            Expr::And(parts) => parts.iter().for_each(|part| self.narrow(part)),
            Expr::Test(Test::Since(time)) => self.from = self.from.max(*time),
            Expr::Test(Test::Until(time)) => {
                self.to = Some(self.to.map_or(*time, |to| to.min(*time)));
            }
            _ => {}
        }
    }

    pub(crate) fn holds_time(&self, time: Timestamp) -> bool {
        time >= self.from && self.to.is_none_or(|to| time < to)
    }

    /// The chunks that may hold what is asked for, by their times.
    pub(crate) fn chunks(&self, index: &Index) -> Vec<Chunk> {
        let may = |chunk: &Chunk| {
            let (min, max) = chunk.times();
            max >= self.from && self.to.is_none_or(|to| min < to)
        };
        let blocks = index.blocks.iter().copied().map(Chunk::Block);
        let hot = index.hot.iter().cloned().map(Chunk::Hot);
        blocks.chain(hot).filter(may).collect()
    }
}

/// One event, in whatever form it is.
pub(crate) struct Item<'a> {
    pub(crate) id: EventId,
    pub(crate) time: Timestamp,
    pub(crate) record: &'a dyn Record,
    form: Form<'a>,
}

enum Form<'a> {
    Row(&'a Row<'a>),
    View(View<'a>),
}

impl Item<'_> {
    /// The event, and about how many bytes it is.
    pub(crate) fn event(&self) -> Read<(Event, usize)> {
        let row = match self.form {
            Form::Row(row) => *row,
            Form::View(view) => view.block.row(view.i)?,
        };
        let parts = [row.process.unwrap_or_default(), row.fields, row.grounds];
        let size = 256 + row.message.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        row.to_event().map(|event| (event, size))
    }
}

/// What looking into a chunk came to.
#[derive(Debug)]
pub(crate) enum Looked {
    /// It holds nothing that is asked for, or is gone.
    Nothing,
    /// All its events pass, by its summary alone: how many of each tier.
    All([u64; hark_api::Tier::ALL.len()]),
    /// Every event was shown.
    Shown,
    /// It is damaged: what was shown of it is not to be trusted.
    Damaged,
}

/// Shows the events of a chunk at the times asked for to `each`, which is still to ask the
/// filter, unless the chunk's summary excludes them all. With `by_summary`, a chunk all of whose
/// events pass is not read.
pub(crate) fn look(
    main: &DbFile,
    chunk: &Chunk,
    asked: &Asked<'_>,
    by_summary: bool,
    mut each: impl FnMut(&Item<'_>) -> Read<()>,
) -> Result<Looked, Error> {
    match chunk {
        Chunk::Hot(hot) => {
            for row in hot.rows() {
                let shown = row.and_then(|row| {
                    if row.id <= asked.sealed || !asked.holds_time(row.time) {
                        return Ok(());
                    }
                    let form = Form::Row(&row);
                    each(&Item {
                        id: row.id,
                        time: row.time,
                        record: &row,
                        form,
                    })
                });
                if shown.is_err() {
                    return Ok(Looked::Damaged);
                }
            }
            Ok(Looked::Shown)
        }
        Chunk::Block(block) => match read(main, block, asked, by_summary)? {
            Opened::Nothing => Ok(Looked::Nothing),
            Opened::All(tiers) => Ok(Looked::All(tiers)),
            Opened::Damaged => Ok(Looked::Damaged),
            Opened::Block(block) => {
                for i in 0..block.len() {
                    let (id, time) = (block.id(i), block.time(i));
                    if asked.holds_time(time) {
                        let view = View { block: &block, i };
                        let item = Item {
                            id,
                            time,
                            record: &view,
                            form: Form::View(view),
                        };
                        if each(&item).and_then(|()| block.check()).is_err() {
                            return Ok(Looked::Damaged);
                        }
                    }
                }
                Ok(Looked::Shown)
            }
        },
    }
}

enum Opened {
    Nothing,
    All([u64; hark_api::Tier::ALL.len()]),
    Damaged,
    Block(Box<Block>),
}

fn read(
    main: &DbFile,
    block: &BlockRef,
    asked: &Asked<'_>,
    by_summary: bool,
) -> Result<Opened, Error> {
    main.read("reading a block", |txn| {
        let reader = Reader::new(txn)?;
        if by_summary || !asked.filter.is_all() {
            let head = match reader.head(block.first)? {
                None => return Ok(Opened::Nothing),
                Some(Err(_)) => return Ok(Opened::Damaged),
                Some(Ok(head)) => head,
            };
            let expr = asked.filter.expr();
            let known = Known {
                head: &head,
                tokens: None,
            };
            if !possible(expr, known) {
                return Ok(Opened::Nothing);
            }
            if asked.needs_tokens {
                let may = reader.tokens(block.first, |tokens| {
                    possible(
                        expr,
                        Known {
                            head: &head,
                            tokens: Tokens::new(tokens),
                        },
                    )
                })?;
                if may == Some(false) {
                    return Ok(Opened::Nothing);
                }
            }
            let inside = asked.holds_time(head.min_time) && asked.holds_time(head.max_time);
            if by_summary && inside && certain(expr, known) {
                return Ok(Opened::All(head.tiers));
            }
        }
        Ok(match reader.block(block.first)? {
            None => Opened::Nothing,
            Some(Err(_)) => Opened::Damaged,
            Some(Ok(block)) => Opened::Block(Box::new(block)),
        })
    })
}

/// Runs `work` on chunks, on as many threads as it pays to; results in order.
pub(crate) fn on_threads<T: Send>(
    chunks: &[Chunk],
    work: impl Fn(&Chunk) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    /// Chunks for a thread, below which starting it costs more than it gains.
    const WORTH: usize = 4;
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let threads = threads.min(chunks.len() / WORTH).max(1);
    if threads == 1 {
        return chunks.iter().map(work).collect();
    }
    let share = chunks.len().div_ceil(threads);
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = chunks
            .chunks(share)
            .map(|chunks| scope.spawn(move || chunks.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let mut all = Vec::with_capacity(chunks.len());
        for thread in running {
            match thread.join() {
                Ok(results) => all.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all.into_iter().collect()
    })
}

/// The event with an id.
pub(crate) fn find(
    main: &DbFile,
    index: &Index,
    id: EventId,
    findings: &mut Findings,
) -> Result<Option<Event>, Error> {
    if id > index.sealed {
        let at = index.hot.partition_point(|row| row.last < id);
        let Some(hot) = index.hot.get(at) else {
            return Ok(None);
        };
        for row in hot.rows() {
            let row = row.map_err(damaged)?;
            if row.id == id {
                return row.to_event().map(Some).map_err(damaged);
            }
        }
        return Ok(None);
    }
    let at = index.blocks.partition_point(|block| block.last < id);
    let Some(block) = index.blocks.get(at).filter(|block| block.first <= id) else {
        return Ok(None);
    };
    let data = main.read("reading a block", |txn| {
        Reader::new(txn)?.block(block.first)
    })?;
    let event = data.map(|block| {
        let block = block?;
        match (0..block.len()).find(|i| block.id(*i) == id) {
            Some(i) => block.event(i).map(Some),
            None => Ok(None),
        }
    });
    event.transpose().map(Option::flatten).map_err(|reason| {
        findings.damaged.push(block.first);
        damaged(reason)
    })
}

fn damaged(reason: Malformed) -> Error {
    Error::Damaged {
        what: "the block of the event".to_owned(),
        reason: reason.0,
    }
}
