//! `probe`: any server from outside, from this machine (`foreign`), or the site's own listeners by the site itself (`own`, and
//! every day `daily`). What is found out is the room `probe`'s; here it is asked for, shown and recorded.

pub(crate) mod daily;
mod foreign;
pub(crate) mod own;

pub(crate) use foreign::run;
