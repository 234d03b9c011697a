//! The normal state of a site's mail and deviation from it (clause 4.4).
//!
//! A leaf: hours and their counts are handed in, and what is said of them is arithmetic.
