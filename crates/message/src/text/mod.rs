//! Text for searching, sorting and threading.

mod fold;
mod html;
mod search;
mod subject;

pub use fold::{fold, fold_words};
pub use html::html_to_text;
pub use search::{Words, searchable_body, searchable_headers};
pub use subject::{BaseSubject, base_subject};
