//! Quotas (RFC 9208).

use super::{Command, Parse, Parser};

pub(super) fn get(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    Ok(Command::GetQuota {
        root: parser.text()?,
    })
}

pub(super) fn set(parser: &mut Parser<'_>) -> Parse<Command> {
    parser.space()?;
    let root = parser.text()?;
    parser.space()?;
    let limits = parser.list(|parser| {
        let resource = parser.atom()?.to_ascii_uppercase();
        parser.space()?;
        Ok((resource, parser.number64()?))
    })?;
    Ok(Command::SetQuota { root, limits })
}
