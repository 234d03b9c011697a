//! The order of messages: SORT and THREAD (RFC 5256).

mod sort;
mod thread;

pub(crate) use sort::{Sortable, Value, sort};
pub(crate) use thread::{Threadable, by_references, by_subject};
