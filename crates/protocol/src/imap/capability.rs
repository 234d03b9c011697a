//! What the server can do, by the connection's state.

/// What decides which capabilities are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapabilityState<'a> {
    /// The client is authenticated.
    pub authenticated: bool,
    /// STARTTLS is on offer: the connection is plain and there is a certificate.
    pub starttls: bool,
    /// Mechanisms that may be used now (none on a plain connection), in the order of preference.
    pub mechanisms: &'a [&'a str],
    /// LOGIN may be used now; otherwise LOGINDISABLED is announced.
    pub login: bool,
    /// Octets of the largest message that APPEND takes.
    pub append_limit: u64,
}

const ALWAYS: &[&str] = &[
    "IMAP4rev1",
    "IMAP4rev2",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
];

const MAILBOXES: &[&str] = &[
    "IDLE",
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "ESEARCH",
    "SEARCHRES",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "CONDSTORE",
    "QRESYNC",
    "SORT",
    "THREAD=REFERENCES",
    "THREAD=ORDEREDSUBJECT",
    "MULTIAPPEND",
    "BINARY",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "STATUS=SIZE",
    "OBJECTID",
    "SAVEDATE",
    "WITHIN",
];

/// The capabilities of a state, for the CAPABILITY response and its code. What needs an authenticated client is announced
/// before, too: programs such as imaplib ask once.
#[must_use]
pub fn capabilities(state: &CapabilityState<'_>) -> Vec<String> {
    let mut names: Vec<String> = ALWAYS.iter().map(|&name| name.to_owned()).collect();
    if !state.authenticated {
        if state.starttls {
            names.push("STARTTLS".to_owned());
        }
        if !state.login {
            names.push("LOGINDISABLED".to_owned());
        }
        names.extend(
            state
                .mechanisms
                .iter()
                .map(|mechanism| format!("AUTH={mechanism}")),
        );
    }
    names.extend(MAILBOXES.iter().map(|&name| name.to_owned()));
    names.push(format!("APPENDLIMIT={}", state.append_limit));
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_connection_offers_no_way_to_tell_a_password() {
        let state = CapabilityState {
            authenticated: false,
            starttls: true,
            mechanisms: &[],
            login: false,
            append_limit: 10,
        };
        let names = capabilities(&state);
        assert!(
            names.iter().any(|name| name == "LOGINDISABLED")
                && names.iter().any(|name| name == "STARTTLS")
        );
        assert!(!names.iter().any(|name| name.starts_with("AUTH=")));
        assert_eq!(names.last().unwrap(), "APPENDLIMIT=10");
        let resources = names.iter().filter(|name| name.starts_with("QUOTA="));
        assert_eq!(
            resources.collect::<Vec<_>>(),
            ["QUOTA=RES-STORAGE"],
            "those that QUOTA responses tell"
        );
    }

    #[test]
    fn an_authenticated_client_sees_no_mechanisms() {
        let state = CapabilityState {
            authenticated: true,
            starttls: true,
            mechanisms: &["PLAIN"],
            login: true,
            append_limit: 1,
        };
        let names = capabilities(&state);
        assert!(!names.iter().any(|name| name.starts_with("AUTH=")
            || name == "STARTTLS"
            || name == "LOGINDISABLED"));
        assert!(names.iter().any(|name| name == "QRESYNC"));
    }
}
