//! The demo's theft (clause 4.1): somebody elsewhere logs in with another's password, sends mail, and has mail copied to another mailbox.
//! Then it is reported, and what is left to do is printed.

use std::net::{IpAddr, Ipv4Addr};

use directory::{
    Attempt, Service,
    command::{Caller, forward},
};
use message::address::Address;
use miette::{IntoDiagnostic, Result, miette};

use super::{mail, people::Person};
use crate::serve::Running;

/// Where the thief is: another address of loopback.
pub(super) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// Where copies go to: holders may forward to inside by themselves, to outside only on an order.
const COPIES: &str = "suzuki@city.example";
/// What the thief sends.
const LETTER: mail::Letter = (
    "至急: 振込先の変更",
    "お世話になっております。\r\n今月分から振込先の口座が変わりました。至急ご確認ください。\r\n",
);

/// Plays it.
pub(super) async fn play(city: &Running, victim: &Person, target: &Person) -> Result<()> {
    mail::submit_from(city, ELSEWHERE, victim, &[target], LETTER).await?;
    // It is out before anybody knows: what were still queued would be held, and had to be settled first.
    mail::drained(city).await?;
    let directory = &city.site.directory;
    let attempt = Attempt {
        service: Service::Web,
        protocol: "https",
        mechanism: "FORM",
        peer: IpAddr::V4(ELSEWHERE),
        tls: true,
        client: Some("Mozilla/5.0 (somebody else's)".to_owned()),
    };
    let login = directory
        .authenticate(&attempt, &victim.address, victim.password.as_bytes())
        .await
        .map_err(|refusal| miette!("the demo's thief is not let in: {refusal:?}"))?;
    let caller = Caller::of_login(directory, &login, "web").await;
    let caller = caller
        .into_diagnostic()?
        .from_address(IpAddr::V4(ELSEWHERE));
    let copies = forward::Wish {
        name: victim.address.clone(),
        target: Address::parse(COPIES).into_diagnostic()?,
        order: None,
        until: None,
    };
    forward::add(&caller, copies)
        .await
        .into_diagnostic()
        .map(drop)
}

/// What is left to do in the incident, as lines to paste: `site` is the program with its site, `letter` a file for the new password.
pub(super) fn remaining(site: &str, victim: &str, letter: &str) -> Vec<String> {
    vec![
        "The incident's way to its end (clause 4.1), one after the other:".to_owned(),
        format!("  {site} incident show 1"),
        format!("  {site} incident report 1 --lang en"),
        format!("  {site} incident step 1 acknowledged --note 'read'"),
        format!("  {site} account letter {victim} --to {letter}"),
        format!("  {site} account letter {victim} --handed-over 'in person, staff card seen'"),
        format!("  {site} account resume {victim}"),
        format!("  {site} incident close 1"),
    ]
}
