//! The commands for the shell, one file each.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod incidents;
mod output;
pub(crate) mod query;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod top;

use hark_api::Filter;

use crate::error::Error;

/// The words of a filter as one text, checked before the agent is asked.
fn filter_text(words: &[String]) -> Result<String, Error> {
    let text = words.join(" ");
    match Filter::parse(&text) {
        Ok(_) => Ok(text),
        Err(source) => Err(Error::Filter { text, source }),
    }
}
