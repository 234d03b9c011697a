//! How many connections the SMTP port takes, in all and from one address, and that room comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{Site, line::Lines, site, smtp, until};

const SOON: Duration = Duration::from_secs(20);

/// What a connection hears first.
fn greeting(site: &Site) -> String {
    let mut lines = Lines::connect(site.address, site::SMTP).unwrap();
    String::from_utf8(lines.line().unwrap()).unwrap()
}

#[track_caller]
fn limit_holds(setting: &str) {
    let mut site = Site::new("city.example");
    site.set("limits", setting);
    site.serve();
    // What asked whether the server is up may still be on its way out.
    let open = || {
        until("a connection is let in", SOON, || {
            smtp::Session::try_open(site.address, site::SMTP).ok()
        })
    };
    let (first, second) = (open(), open());
    let refused = greeting(&site);
    assert!(refused.starts_with("421 4.3.2"), "{setting}: {refused}");
    // Who is in stays in, and who leaves makes room.
    drop(first);
    let third = open();
    assert!(greeting(&site).starts_with("421 4.3.2"), "{setting}");
    drop((second, third));
}

#[test]
fn connections_are_limited_in_all() {
    limit_holds("smtp_connections = 2");
}

#[test]
fn connections_are_limited_by_address() {
    limit_holds("smtp_connections_per_address = 2");
}
