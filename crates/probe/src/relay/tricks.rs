//! The tricks, as data. What an address of each form means is in RFC 5321, sections 4.1.1.3 (source routes), 4.1.2 (quoting) and
//! F.2; percent signs and exclamation marks routed mail before (RFC 1123, section 5.2.16).

use super::{Accepted, Check, Family, Protocol, Trick, Work, after_own, run_control};
use crate::check::SMTP;

/// The plainest way; the others differ from it in one thing.
const PLAIN: Trick = Trick {
    helo: "{me}",
    before: "",
    mail: "FROM:<{from}>",
    rcpt: "TO:<{user}@{ext}>",
    accepted: Accepted::Outside,
};

const fn from(mail: &'static str) -> Trick {
    Trick { mail, ..PLAIN }
}

const fn helo(helo: &'static str) -> Trick {
    Trick { helo, ..PLAIN }
}

const fn before(before: &'static str) -> Trick {
    Trick { before, ..PLAIN }
}

const fn to(rcpt: &'static str) -> Trick {
    Trick { rcpt, ..PLAIN }
}

const fn perhaps(rcpt: &'static str) -> Trick {
    let accepted = Accepted::Perhaps;
    Trick {
        rcpt,
        accepted,
        ..PLAIN
    }
}

const fn beside(rcpt: &'static str) -> Trick {
    let accepted = Accepted::Beside;
    Trick {
        rcpt,
        accepted,
        ..PLAIN
    }
}

const fn own(
    id: &'static str,
    protocols: &'static [Protocol],
    english: &'static str,
    japanese: &'static str,
    work: Work,
) -> Check {
    let words = [id, english, japanese];
    Check::new(Family::Relay, "5.1(1), 6.1(1)", words, work).at(protocols)
}

const fn trick(
    id: &'static str,
    english: &'static str,
    japanese: &'static str,
    trick: Trick,
) -> Check {
    own(id, SMTP, english, japanese, Work::Relay(trick))
}

#[rustfmt::skip]
pub(crate) const TRICKS: &[Check] = &[
    own("relay.control", &[Protocol::Smtp], "Mail for its own domain is taken from this client", "自ドメイン宛てのメールは受け付ける（対照）", Work::Own(run_control)),

    // Senders.
    trick("relay.plain", "From outside to outside", "外部から外部への中継", PLAIN),
    trick("relay.null-sender", "From nobody (<>) to outside", "空の送信者から外部への中継", from("FROM:<>")),
    trick("relay.own-sender", "From the own domain to outside", "自ドメインを名乗る送信者から外部への中継", from("FROM:<probe@{own}>")),
    trick("relay.postmaster-sender", "From the own postmaster to outside", "自ドメインの postmaster を名乗る中継", from("FROM:<postmaster@{own}>")),
    trick("relay.server-sender", "From the server's own name to outside", "サーバ名を名乗る送信者から外部への中継", from("FROM:<probe@{host}>")),
    trick("relay.literal-sender", "From the server's own address literal to outside", "サーバの IP アドレスを名乗る中継", from("FROM:<probe@{ip}>")),
    trick("relay.localhost-sender", "From localhost to outside", "localhost を名乗る送信者からの中継", from("FROM:<probe@localhost>")),
    trick("relay.bare-sender", "From a sender without a domain to outside", "ドメインのない送信者からの中継", from("FROM:<probe>")),
    trick("relay.recipient-as-sender", "From the recipient to itself", "受信者自身を名乗る送信者からの中継", from("FROM:<{user}@{ext}>")),
    trick("relay.auth-parameter", "With AUTH= of somebody here in MAIL (RFC 4954)", "MAIL の AUTH= パラメータを使う中継", from("FROM:<{from}> AUTH=postmaster@{own}")),

    // Names in EHLO.
    trick("relay.helo-own-domain", "EHLO with the own domain", "自ドメインを名乗る EHLO での中継", helo("{own}")),
    trick("relay.helo-server-name", "EHLO with the server's own name", "サーバ名を名乗る EHLO での中継", helo("{host}")),
    trick("relay.helo-localhost", "EHLO with localhost", "localhost を名乗る EHLO での中継", helo("localhost")),
    trick("relay.helo-loopback", "EHLO with [127.0.0.1]", "[127.0.0.1] を名乗る EHLO での中継", helo("[127.0.0.1]")),
    trick("relay.helo-server-literal", "EHLO with the server's own address literal", "サーバの IP アドレスを名乗る EHLO での中継", helo("{ip}")),

    // Percent signs.
    trick("relay.percent-hack", "user%elsewhere@own", "パーセントハック（自ドメイン）", perhaps("TO:<{user}%{ext}@{own}>")),
    trick("relay.percent-literal", "user%elsewhere@[server]", "パーセントハック（アドレスリテラル）", perhaps("TO:<{user}%{ext}@{ip}>")),
    trick("relay.percent-server-name", "user%elsewhere@server", "パーセントハック（サーバ名）", perhaps("TO:<{user}%{ext}@{host}>")),
    trick("relay.percent-localhost", "user%elsewhere@localhost", "パーセントハック（localhost）", perhaps("TO:<{user}%{ext}@localhost>")),
    trick("relay.percent-bare", "user%elsewhere, without a domain", "パーセントハック（ドメインなし）", perhaps("TO:<{user}%{ext}>")),
    trick("relay.percent-twice", "user%elsewhere%own@own", "二重のパーセントハック", perhaps("TO:<{user}%{ext}%{own}@{own}>")),

    // Quoting.
    trick("relay.quoted", "\"user@elsewhere\"@own", "引用符で囲んだアドレス（自ドメイン）", perhaps("TO:<\"{user}@{ext}\"@{own}>")),
    trick("relay.quoted-literal", "\"user@elsewhere\"@[server]", "引用符で囲んだアドレス（アドレスリテラル）", perhaps("TO:<\"{user}@{ext}\"@{ip}>")),
    trick("relay.quoted-bare", "\"user@elsewhere\", without a domain", "引用符で囲んだアドレス（ドメインなし）", perhaps("TO:<\"{user}@{ext}\">")),
    trick("relay.quoted-percent", "\"user%elsewhere\"@own", "引用符とパーセントハック", perhaps("TO:<\"{user}%{ext}\"@{own}>")),
    trick("relay.quoted-twice", "\"\\\"user@elsewhere\\\"\"@own", "二重の引用符", perhaps("TO:<\"\\\"{user}@{ext}\\\"\"@{own}>")),
    trick("relay.escaped-at", "user\\@elsewhere@own", "逆斜線で逃がした @", perhaps("TO:<{user}\\@{ext}@{own}>")),

    // Several at signs.
    trick("relay.double-at", "user@elsewhere@own", "二つの @（自ドメイン）", perhaps("TO:<{user}@{ext}@{own}>")),
    trick("relay.double-at-literal", "user@elsewhere@[server]", "二つの @（アドレスリテラル）", perhaps("TO:<{user}@{ext}@{ip}>")),
    trick("relay.double-at-turned", "user@own@elsewhere", "二つの @（外部が末尾）", to("TO:<{user}@{own}@{ext}>")),

    // Source routes.
    trick("relay.source-route", "@own:user@elsewhere", "ソースルート（自ドメイン経由）", to("TO:<@{own}:{user}@{ext}>")),
    trick("relay.source-route-literal", "@[server]:user@elsewhere", "ソースルート（アドレスリテラル経由）", to("TO:<@{ip}:{user}@{ext}>")),
    trick("relay.source-route-long", "@own,@server:user@elsewhere", "ソースルート（二段）", to("TO:<@{own},@{host}:{user}@{ext}>")),
    trick("relay.source-route-outward", "@elsewhere:nobody@own", "ソースルート（外部経由）", perhaps("TO:<@{ext}:{user}@{own}>")),

    // Exclamation marks.
    trick("relay.bang-path", "elsewhere!user", "バングパス", perhaps("TO:<{ext}!{user}>")),
    trick("relay.bang-own", "elsewhere!user@own", "バングパス（自ドメイン）", perhaps("TO:<{ext}!{user}@{own}>")),
    trick("relay.bang-literal", "elsewhere!user@[server]", "バングパス（アドレスリテラル）", perhaps("TO:<{ext}!{user}@{ip}>")),
    trick("relay.bang-route", "own!elsewhere!user", "バングパス（自ドメイン経由）", perhaps("TO:<{own}!{ext}!{user}>")),
    trick("relay.bang-percent", "own!user%elsewhere", "バングパスとパーセントハック", perhaps("TO:<{own}!{user}%{ext}>")),
    trick("relay.bang-percent-own", "elsewhere!user%own@own", "バングパスとパーセントハック（自ドメイン）", perhaps("TO:<{ext}!{user}%{own}@{own}>")),

    // Forms of the domain.
    trick("relay.upper-case", "The address in upper case", "大文字のアドレス", to("TO:<{USER}@{EXT}>")),
    trick("relay.trailing-dot", "A dot at the end of the domain", "末尾にドットのあるドメイン", to("TO:<{user}@{ext}.>")),
    trick("relay.foreign-literal", "An address literal of somebody else", "他者の IP アドレスリテラル宛て", to("TO:<{user}@[192.0.2.1]>")),
    trick("relay.own-in-front", "own.elsewhere: a foreign domain that begins with the own", "自ドメインで始まる外部ドメイン", to("TO:<{user}@{own}.{ext}>")),
    trick("relay.own-at-end", "A foreign domain that ends with the letters of the own", "自ドメインの文字列で終わる外部ドメイン", to("TO:<{user}@x{own}>")),
    trick("relay.subdomain", "A subdomain of the own domain", "自ドメインのサブドメイン", beside("TO:<{user}@relay-probe.{own}>")),
    trick("relay.elsewhere-below-own", "elsewhere.own: the foreign name below the own domain", "自ドメイン配下に置いた外部ドメイン名", beside("TO:<{user}@{ext}.{own}>")),
    trick("relay.null-octet", "A null octet within the domain", "ヌル文字を含むドメイン", to("TO:<{user}@{ext}\0.{own}>")),
    trick("relay.homograph", "A domain that looks like the own (SMTPUTF8, RFC 6531)", "自ドメインに似せた国際化ドメイン", Trick { mail: "FROM:<{from}> SMTPUTF8", ..to("TO:<{user}@{alike}>") }),
    trick("relay.wide-percent", "A full-width percent sign (SMTPUTF8, RFC 6531)", "全角パーセントを使うアドレス", Trick { mail: "FROM:<{from}> SMTPUTF8", ..perhaps("TO:<{user}％{ext}@{own}>") }),

    // Forms of the command.
    trick("relay.no-brackets", "Without angle brackets", "山括弧のないアドレス", to("TO:{user}@{ext}")),
    trick("relay.space-before", "A space before the address", "アドレスの前の空白", to("TO: <{user}@{ext}>")),
    trick("relay.space-within", "Spaces within the brackets", "山括弧の中の空白", to("TO:< {user}@{ext} >")),
    trick("relay.comment", "A comment with the own domain", "自ドメインを注釈に含むアドレス", to("TO:<{user}@{ext}(@{own})>")),
    trick("relay.two-addresses", "Two addresses in one RCPT", "一つの RCPT に二つのアドレス", to("TO:<postmaster@{own}>,<{user}@{ext}>")),
    trick("relay.orcpt", "ORCPT of the own domain (RFC 3461)", "自ドメインを示す ORCPT", to("TO:<{user}@{ext}> ORCPT=rfc822;postmaster@{own}")),
    trick("relay.notify-never", "NOTIFY=NEVER (RFC 3461)", "NOTIFY=NEVER を付けた中継", to("TO:<{user}@{ext}> NOTIFY=NEVER")),

    // Who the client claims to be.
    trick("relay.xclient", "XCLIENT with an inner address", "XCLIENT で内部アドレスを名乗る中継", before("XCLIENT ADDR=127.0.0.1 NAME=localhost")),
    trick("relay.xclient-login", "XCLIENT with a login", "XCLIENT でログイン済みを名乗る中継", before("XCLIENT LOGIN=postmaster")),
    trick("relay.xforward", "XFORWARD with an inner address", "XFORWARD で内部アドレスを名乗る中継", before("XFORWARD ADDR=127.0.0.1 NAME=localhost")),
    own("relay.after-own-recipient", &[Protocol::Smtp], "A foreign recipient after one of its own", "自ドメインの受信者に続く外部の受信者", Work::Own(after_own)),
];
