//! What an address must be to be given to somebody: own, free, never another's, and like nobody else's (clauses 7.1(1), 7.1(6)).

use message::address::Address;
use store::sql::Sql;
use unicode_normalization::UnicodeNormalization;

use super::CommandError;
use crate::{
    Options,
    tables::{account, address},
};

/// Octets of an own local part at most, as it is written: what every other server must take (RFC 5321, section 4.5.3.1.1).
const MOST_LOCAL: usize = 64;

/// Refuses an address that looks like another's: written in full-width letters, or with characters that nobody sees (clause
/// 7.1(6)), or that not every server takes.
pub(super) fn usual(wanted: &Address) -> Result<(), CommandError> {
    let (local, octets) = (wanted.local(), wanted.local_octets());
    if octets > MOST_LOCAL {
        return Err(CommandError::Argument(format!(
            "the part before the @ has {octets} octets, and an own address has at most {MOST_LOCAL} there (RFC 5321, section 4.5.3.1.1)"
        )));
    }
    if local
        .chars()
        .any(|c| super::is_hidden(c) || is_shapeless(c))
    {
        return Err(CommandError::Argument(format!(
            "{local:?} has characters that nobody sees"
        )));
    }
    let usual: String = local.nfkc().collect();
    if usual.nfc().eq(local.nfc()) {
        return Ok(());
    }
    Err(CommandError::Argument(format!(
        "{wanted} is written in letters of another width or form; write it as {usual}@{}",
        wanted.domain()
    )))
}

/// What has no shape of its own and may stand in names of people, which it tells apart (variants of characters), but not in an
/// address: selectors of variants, fillers, tags, and the joiner that joins nothing.
fn is_shapeless(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Refuses an address that is not ours, is taken, was another's, or would pass for one that is or was.
pub(super) fn free(
    sql: &mut dyn Sql,
    options: &Options,
    wanted: &Address,
) -> Result<(), CommandError> {
    if options.own(wanted.domain()).is_none() {
        return Err(CommandError::NotOwn(wanted.clone()));
    }
    usual(wanted)?;
    let canonical = wanted.canonical();
    let text = canonical.to_string();
    if !address::targets(sql, &canonical, 1)?.is_empty() {
        return Err(CommandError::Exists {
            what: "address",
            name: text,
        });
    }
    let retired = address::was_anothers(sql, &canonical, None)?
        || account::by_identifier(sql, &text)?.is_some();
    if retired {
        return Err(CommandError::Retired(canonical));
    }
    nobody_elses(sql, options, &canonical, None)
}

/// Refuses what passes for an address that another than `but` has or had: a tagged form of it (RFC 5233), or one that differs in
/// case, width or form alone.
pub(super) fn nobody_elses(
    sql: &mut dyn Sql,
    options: &Options,
    wanted: &Address,
    but: Option<store::AccountId>,
) -> Result<(), CommandError> {
    // By the usual separator as well as the site's own: the setting may have been another, or become one.
    let own = options.split_tag(wanted).map(|(base, _)| base.canonical());
    for base in own.into_iter().chain([wanted.without_tag().canonical()]) {
        if base != wanted.canonical()
            && (address::had_by_other(sql, &base, but)?
                || account::by_identifier(sql, &base.to_string())?
                    .is_some_and(|account| Some(account.id) != but))
        {
            return Err(CommandError::Argument(format!(
                "{wanted} is what the holder of {base}, past or present, gives out with a tag: it is never another's (clause 7.1(6))"
            )));
        }
    }
    let folded = fold(wanted.local());
    for (local, account) in address::alike(sql, wanted, &folded)? {
        if Some(account) != but && local != wanted.canonical().local() && fold(&local) == folded {
            return Err(CommandError::Argument(format!(
                "{wanted} differs in nothing but case or form from {local}@{}, which is or was another's (clause 7.1(6))",
                wanted.domain()
            )));
        }
    }
    Ok(())
}

/// A local part, or a name, without what differs in case, width or form alone: full case folding by way of upper case (`ß` and `SS`, `ς` and `Σ`),
/// and compatibility forms (UAX #15).
pub(super) fn fold(local: &str) -> String {
    let once = |text: &str| -> String {
        text.nfkc()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .nfkc()
            .collect()
    };
    // What a compatibility form becomes may have a case of its own.
    once(&once(local))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn case_width_and_form_make_no_other_name() {
        for (one, other) in [
            ("straße", "STRASSE"),
            ("νίκος", "ΝΊΚΟΣ"),
            ("ﬁsch", "fisch"),
            ("ｔａｒｏ", "taro"),
            ("ǆ", "Ǆ"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("taro"), fold("tarō"));
        assert_ne!(fold("はな"), fold("ばな"));
    }

    #[test]
    fn own_local_parts_are_as_long_as_all_others_take_them() {
        let address = |local: String| Address::parse(&format!("{local}@example.jp")).unwrap();
        assert!(usual(&address("a".repeat(64))).is_ok());
        let refused = usual(&address("a".repeat(65))).unwrap_err().to_string();
        assert!(refused.contains("65 octets"), "{refused}");
        assert!(usual(&address("あ".repeat(22))).is_err());
        // Its quotation marks and backslashes go over the wire, too.
        let quoted = |inside: usize| address(format!("\"{} b\"", "a".repeat(inside)));
        assert!(usual(&quoted(60)).is_ok());
        let refused = usual(&quoted(61)).unwrap_err().to_string();
        assert!(refused.contains("65 octets"), "{refused}");
        assert!(usual(&address(format!(r#""{}\\""#, "a".repeat(61)))).is_err());
        for hidden in [
            "ta\u{fe0f}ro",
            "taro\u{3164}",
            "taro\u{e0101}",
            "ta\u{200b}ro",
        ] {
            let refused = usual(&address(hidden.to_owned())).unwrap_err().to_string();
            assert!(refused.contains("nobody sees"), "{refused}");
        }
    }
}
