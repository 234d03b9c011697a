//! People, roles, identifiers, credentials, orders and accounts.
