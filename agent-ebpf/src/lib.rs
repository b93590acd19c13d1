//! The event types that kernel and agent share.
#![no_std]
#![forbid(unsafe_code)]
