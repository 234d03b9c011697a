//! Small texts that several modules write the same way.

use message::address::{Address, Domain};

/// The host name of a server that was told none.
#[allow(clippy::expect_used, reason = "a literal that a test parses")]
pub(crate) fn localhost() -> Domain {
    Domain::parse("localhost").expect("localhost is a domain")
}

/// A return path for logs and events: `<>` is the null sender.
pub(crate) fn path(sender: Option<&Address>) -> String {
    sender.map_or_else(|| "<>".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    #[test]
    fn localhost_parses() {
        assert_eq!(super::localhost().as_str(), "localhost");
    }
}
