//! `hark query`: searches the stored events.

use std::process::ExitCode;

use hark_api::client::{Client, EventQuery};

use super::filter_text;
use super::output::Output;
use crate::cli::QueryArgs;
use crate::error::Error;

/// How many events are asked for at once.
const PAGE: u64 = 1_000;

pub(crate) async fn run(client: &Client, args: QueryArgs) -> Result<ExitCode, Error> {
    let mut query = EventQuery {
        filter: filter_text(&args.filter)?,
        from: args.from,
        to: args.to,
        order: args.order.into(),
        ..EventQuery::default()
    };
    let mut out = Output::new(args.output.json);
    let mut left = if args.limit == 0 {
        u64::MAX
    } else {
        args.limit
    };
    let mut found = false;
    loop {
        query.limit = Some(left.min(PAGE) as u32);
        let page = client.events(&query).await?;
        for event in page.events.into_iter().take(left as usize) {
            out.event(event)?;
            found = true;
            left -= 1;
        }
        out.flush()?;
        match page.next {
            Some(next) if left > 0 => query.cursor = Some(next),
            _ => break,
        }
    }
    Ok(ExitCode::from(u8::from(!found)))
}
