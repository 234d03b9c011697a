//! MRA: IMAP and POP3 sessions over mailboxes; search.
