//! Events, series, verdicts and cursors in redb.
