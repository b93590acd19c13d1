//! What views are made of, one file each.

pub(crate) mod canvas;
pub(crate) mod chart;
pub(crate) mod event_row;
pub(crate) mod heat_map;
pub(crate) mod page;
pub(crate) mod plot;
pub(crate) mod spectrum;
pub(crate) mod words;
