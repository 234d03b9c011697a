//! Commands on people, orders and accounts: authorised, audited functions shared by CLI and console.
