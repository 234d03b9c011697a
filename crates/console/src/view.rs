//! The pages as askama renders them, and what they show as text.

use askama::Template;
use data_encoding::BASE64URL_NOPAD;
use directory::{
    command::{
        app_password, forward,
        own::{LoginView, Standing},
        passkey::Offer,
        second_factor,
    },
    passkey::ALGORITHMS,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use transfer::outbreak::Waiting;

use crate::words::Words;

/// What every page has.
pub(crate) struct Page {
    pub(crate) w: &'static Words,
    pub(crate) host: String,
    /// The name that passkeys are bound to.
    pub(crate) site: String,
    /// The key that forms bring back; empty before a login.
    pub(crate) key: String,
    /// Something to be told first.
    pub(crate) note: String,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    pub(crate) page: Page,
    pub(crate) identifier: String,
    /// What a passkey answers.
    pub(crate) challenge: String,
    /// Brings the challenge back.
    pub(crate) ticket: String,
}

#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    pub(crate) page: Page,
    pub(crate) standing: Standing,
    pub(crate) acknowledged: String,
    /// What waits for one of those who may approve it; nothing for everybody else.
    pub(crate) notices: Vec<NoticeRow>,
    pub(crate) app_passwords: Vec<AppPasswordRow>,
    pub(crate) forwards: Vec<ForwardRow>,
    pub(crate) second_factors: Vec<SecondFactorRow>,
    pub(crate) logins: Vec<LoginRow>,
}

/// A notice to staff about a rule against an outbreak (clause 5.2(2)).
pub(crate) struct NoticeRow {
    /// The rule's number.
    pub(crate) rule: i64,
    pub(crate) by: String,
    pub(crate) at: String,
    pub(crate) text: String,
    /// The command that sends it; empty for whoever composed it, who may not approve it.
    pub(crate) approve: String,
    /// The command that puts other words in its place.
    pub(crate) compose: String,
}

#[derive(Template)]
#[template(path = "password.html")]
pub(crate) struct PasswordPage {
    pub(crate) page: Page,
    pub(crate) must_change: bool,
}

#[derive(Template)]
#[template(path = "made.html")]
pub(crate) struct MadePage {
    pub(crate) page: Page,
    pub(crate) name: String,
    pub(crate) password: String,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
pub(crate) struct SecondFactorPage {
    pub(crate) page: Page,
    pub(crate) needed: bool,
    pub(crate) secret: String,
    /// The same to be read by a camera.
    pub(crate) picture: Picture,
    pub(crate) passkey: PasskeyOffer,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
pub(crate) struct QuarantinePage {
    pub(crate) page: Page,
    pub(crate) rows: Vec<ApartRow>,
    /// Whether there is more than the page shows.
    pub(crate) more: bool,
}

pub(crate) struct ApartRow {
    pub(crate) id: String,
    pub(crate) since: String,
    pub(crate) until: String,
    pub(crate) from: String,
    pub(crate) subject: String,
    /// Why, with the criterion that decided.
    pub(crate) cause: String,
    pub(crate) strict: bool,
}

/// What a browser needs to have a passkey made, in base64url.
pub(crate) struct PasskeyOffer {
    pub(crate) challenge: String,
    pub(crate) user: String,
    pub(crate) identifier: String,
    /// Credentials that are there already, divided by spaces.
    pub(crate) present: String,
    /// COSE algorithms, divided by spaces.
    pub(crate) algorithms: String,
}

impl PasskeyOffer {
    pub(crate) fn new(identifier: &str, offer: &Offer) -> Self {
        let written = |octets: &Vec<u8>| BASE64URL_NOPAD.encode(octets);
        let present: Vec<String> = offer.present.iter().map(written).collect();
        Self {
            challenge: offer.challenge.written(),
            user: written(&offer.user),
            identifier: identifier.to_owned(),
            present: present.join(" "),
            algorithms: ALGORITHMS.map(|number| number.to_string()).join(" "),
        }
    }
}

pub(crate) struct AppPasswordRow {
    pub(crate) number: i64,
    pub(crate) identifier: String,
    pub(crate) name: String,
    pub(crate) scope: &'static str,
    pub(crate) made: String,
    pub(crate) used: String,
    pub(crate) expires: String,
}

pub(crate) struct ForwardRow {
    pub(crate) target: String,
    pub(crate) made: String,
    pub(crate) until: String,
}

pub(crate) struct SecondFactorRow {
    pub(crate) number: i64,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) added: String,
    pub(crate) used: String,
}

pub(crate) struct LoginRow {
    pub(crate) at: String,
    pub(crate) how: String,
    pub(crate) from: String,
    pub(crate) success: bool,
}

pub(crate) fn notice_row(hours: &Hours, waiting: Waiting) -> NoticeRow {
    let (rule, composed) = (waiting.rule, waiting.composed);
    let approve = match waiting.approvable {
        true => format!(
            "kakitome -C DIR outbreak notice approve {rule} --digest {}",
            composed.digest
        ),
        false => String::new(),
    };
    NoticeRow {
        rule,
        by: composed.by,
        at: hours.moment(composed.at),
        text: composed.text,
        approve,
        compose: format!("kakitome -C DIR outbreak notice compose {rule} --words \"…\""),
    }
}

pub(crate) fn app_password_row(
    w: &Words,
    hours: &Hours,
    view: app_password::View,
) -> AppPasswordRow {
    let used = match (view.used_at, view.used_from) {
        (Some(at), Some(from)) => format!("{} ({from})", hours.moment(at)),
        _ => w.never.to_owned(),
    };
    AppPasswordRow {
        number: view.number,
        identifier: view.identifier,
        name: view.name,
        scope: match (view.msa, view.mra) {
            (true, false) => w.send,
            (false, true) => w.fetch,
            _ => w.both,
        },
        made: hours.moment(view.made_at),
        used,
        expires: view
            .expires_at
            .map(|at| hours.moment(at))
            .unwrap_or_default(),
    }
}

pub(crate) fn forward_row(hours: &Hours, view: &forward::View) -> ForwardRow {
    ForwardRow {
        target: view.target.to_string(),
        made: format!("{} ({})", hours.moment(view.added_at), view.added_by),
        until: view.until.map(|at| hours.moment(at)).unwrap_or_default(),
    }
}

pub(crate) fn second_factor_row(
    w: &Words,
    hours: &Hours,
    view: second_factor::View,
) -> SecondFactorRow {
    SecondFactorRow {
        number: view.number,
        kind: match view.kind.as_str() {
            "passkey" => w.passkey,
            _ => w.second_code,
        },
        name: view.name,
        added: hours.moment(view.added_at),
        used: view
            .used_at
            .map_or_else(|| w.never.to_owned(), |at| hours.moment(at)),
    }
}

pub(crate) fn login_row(hours: &Hours, view: LoginView) -> LoginRow {
    let mut how = view.protocol;
    for more in [view.app_password, view.client].into_iter().flatten() {
        how.push_str(", ");
        how.push_str(&more);
    }
    LoginRow {
        at: hours.moment(view.at),
        how,
        from: view.address.unwrap_or_default(),
        success: view.success,
    }
}

/// The organisation's days and hours, which need not be the machine's.
#[derive(Clone, Debug)]
pub(crate) struct Hours(pub(crate) TimeZone);

impl Hours {
    /// A time as people read it.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        let zoned = at.to_zoned(self.0.clone());
        zoned.strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// When a day is over; `None`: at no time that there is.
    pub(crate) fn end_of(&self, day: Date) -> Option<Timestamp> {
        let next = day.tomorrow().ok()?;
        let zoned = next.to_zoned(self.0.clone()).ok()?;
        Some(zoned.timestamp())
    }
}

/// A QR code: its dark squares as the path of an SVG, and its width with the quiet zone around it.
pub(crate) struct Picture {
    pub(crate) path: String,
    pub(crate) width: i32,
}

impl Picture {
    /// Light squares around a QR code (ISO/IEC 18004).
    const QUIET: i32 = 4;

    /// The QR code of `text`; `None` when it is too long for one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let code = qrcodegen::QrCode::encode_text(text, qrcodegen::QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            for x in 0..code.size() {
                if code.get_module(x, y) {
                    let (x, y) = (x.saturating_add(Self::QUIET), y.saturating_add(Self::QUIET));
                    path.push_str(&format!("M{x},{y}h1v1h-1z"));
                }
            }
        }
        let width = code.size().saturating_add(2 * Self::QUIET);
        Some(Self { path, width })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A machine is in one of these zones at most.
    #[test]
    fn times_are_told_and_days_are_meant_where_the_organisation_is() {
        let midnight: Timestamp = "2026-11-28T15:00:00Z".parse().unwrap();
        let day: Date = "2026-11-28".parse().unwrap();
        for (hours, told, ends) in [
            (9, "2026-11-29 00:00", "2026-11-28T15:00:00Z"),
            (-11, "2026-11-28 04:00", "2026-11-29T11:00:00Z"),
        ] {
            let hours = Hours(TimeZone::fixed(jiff::tz::offset(hours)));
            assert_eq!(hours.moment(midnight), told);
            assert_eq!(hours.end_of(day), ends.parse().ok());
        }
        assert_eq!(Hours(TimeZone::UTC).end_of(Date::MAX), None);
    }
}
