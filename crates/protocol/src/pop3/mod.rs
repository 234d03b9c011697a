//! POP3 as a sans-IO state machine.
