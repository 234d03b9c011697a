//! MTA and MSA: receive, route, queue, deliver, bounce.
