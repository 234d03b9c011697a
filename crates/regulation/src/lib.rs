//! The regulation as data: what each clause demands, of whom, how often, and in which way the server meets it.
//!
//! A leaf: it does no I/O and knows no store. What a site has chosen, and how each clause stands, is handed in.
