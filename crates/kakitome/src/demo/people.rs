//! The demo's people, entered as a real site enters them: person, order, approval, account.

use std::sync::Arc;

use clap::Parser;
use miette::{Result, miette};
use tokio::sync::mpsc;

use crate::{
    cli::{Cli, Verb},
    command::{self, Answer},
    control::{Record, Reply, Request},
    site::{self, Site},
};

/// Short name and full name.
type Sample = (&'static str, &'static str);

/// Who works at the city office.
pub(super) const CITY_STAFF: &[Sample] = &[
    ("tanaka", "田中 花子"),
    ("suzuki", "鈴木 一郎"),
    ("sato", "佐藤 美咲"),
];
/// Who works at the partner.
pub(super) const PARTNER_STAFF: &[Sample] = &[("yamada", "山田 太郎")];

/// A person with an account.
pub(super) struct Person {
    pub(super) full_name: &'static str,
    pub(super) address: String,
    pub(super) password: String,
}

/// Enters `samples` and issues each an address of `domain`.
pub(super) async fn enter(
    site: &Arc<Site>,
    domain: &str,
    samples: &[Sample],
) -> Result<Vec<Person>> {
    let mut entered = Vec::new();
    for (name, full_name) in samples {
        let address = format!("{name}@{domain}");
        give(site, &["person", "add", name, "--full-name", full_name]).await?;
        give(site, &["person", "acknowledge", name, "--on-paper"]).await?;
        let issued = give(
            site,
            &["order", "issue", "--for", name, "--address", &address],
        )
        .await?;
        let number = field(&issued, "number")?;
        give(site, &["order", "approve", &number]).await?;
        let account = give(site, &["account", "issue", "--order", &number]).await?;
        entered.push(Person {
            full_name,
            password: field(&account, "password")?,
            address,
        });
    }
    Ok(entered)
}

/// Somebody's password was reported as used by another: the incident is opened, and left for whoever tries the demo.
pub(super) async fn report_stolen(site: &Arc<Site>, address: &str) -> Result<()> {
    let reason = "身に覚えのない送信があると本人から届出 (mail that the owner did not send)";
    let open = [
        "incident",
        "open",
        "--kind",
        "credential",
        address,
        "--reason",
        reason,
    ];
    give(site, &open).await.map(drop)
}

/// Gives a command as the person who runs the demo, in the words of the command line.
async fn give(site: &Arc<Site>, words: &[&str]) -> Result<Vec<Record>> {
    let user = site::user_name(rustix::process::getuid().as_raw());
    give_as(site, &user, words, None).await
}

/// Gives a command as the person who is the operating-system user `user`; `line` is what stands on standard input.
pub(super) async fn give_as(
    site: &Arc<Site>,
    user: &str,
    words: &[&str],
    line: Option<String>,
) -> Result<Vec<Record>> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let parsed = Cli::try_parse_from(std::iter::once("kakitome".to_owned()).chain(words.clone()))
        .map_err(|error| miette!("{error}"))?;
    let Verb::Site(parsed) = parsed.verb else {
        return Err(miette!("{words:?} is not a command for a running site"));
    };
    let spoken = words.join(" ");
    let request = Request {
        words,
        attachment: None,
        line,
    };
    let (sender, mut replies) = mpsc::channel(64);
    let mut answer = Answer::new(sender);
    let work = async {
        let done = command::run_as(site, user.to_owned(), parsed, &request, &mut answer).await;
        drop(answer);
        done
    };
    let gather = async {
        let mut rows = Vec::new();
        while let Some(reply) = replies.recv().await {
            if let Reply::Row(record) | Reply::Item(record) = reply {
                rows.push(record);
            }
        }
        rows
    };
    let (done, rows) = tokio::join!(work, gather);
    done.map_err(|error| miette!("{user} gave `{spoken}`: {error}"))?;
    Ok(rows)
}

/// A field of the first row, as text.
pub(super) fn field(rows: &[Record], name: &str) -> Result<String> {
    let value = rows.first().and_then(|row| row.get(name));
    match value {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(serde_json::Value::Number(number)) => Ok(number.to_string()),
        _ => Err(miette!("the answer has no {name:?}: {rows:?}")),
    }
}
