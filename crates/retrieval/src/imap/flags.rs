//! Flags between the store's form and the protocol's. The bits are the same.

use protocol::imap::{FlagList, Keyword, SystemFlags};
use store::mailbox::Flags;

/// The flags of a message as the client is told them.
pub(crate) fn to_wire(flags: Flags, keywords: &[String]) -> FlagList {
    FlagList {
        system: SystemFlags::from_bits(flags.0 & SystemFlags::SETTABLE.bits()),
        keywords: keywords
            .iter()
            .filter_map(|keyword| Keyword::new(keyword))
            .collect(),
    }
}

/// The flags that a client named, for the store. `\Recent` is the server's own and falls away.
pub(crate) fn to_store(list: &FlagList) -> (Flags, Vec<String>) {
    let flags = Flags(list.system.bits() & SystemFlags::SETTABLE.bits());
    let keywords = list
        .keywords
        .iter()
        .map(|keyword| keyword.as_str().to_owned());
    (flags, keywords.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_and_protocol_agree_on_the_bits() {
        for (ours, theirs) in [
            (Flags::SEEN, SystemFlags::SEEN),
            (Flags::ANSWERED, SystemFlags::ANSWERED),
            (Flags::FLAGGED, SystemFlags::FLAGGED),
            (Flags::DELETED, SystemFlags::DELETED),
            (Flags::DRAFT, SystemFlags::DRAFT),
        ] {
            assert_eq!(ours.0, theirs.bits());
        }
    }
}
