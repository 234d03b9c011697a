//! What is done to another's account that would let whoever does it read the other's mail: the mail that tells the security officers of it
//! (clause 7.1(4)).

use directory::Role;
use transfer::notice::Notice;

use super::{Answer, Failure};
use crate::site::Site;

/// What is told.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Password,
    Letter,
    Removal,
    /// The operating-system user that the person is from now on.
    User,
    /// One that the person is not any more.
    NoUser,
}

impl Act {
    /// The subject's words, what it means, and the kind of its events.
    const fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Password => (
                "本人以外によるパスワードの設定 / a password was set by another",
                "本人以外の者がパスワードを設定しました。本人が変更するまで、そのパスワードで受信箱を開くことができます([directory] initial_only_to_change で禁止できます)。",
                "Its password was set by another than its holder, and may open the mailbox until the holder changes it \
                 ([directory] initial_only_to_change forbids that).",
                "account.password",
            ),
            Self::Letter => (
                "封書による新しいパスワード / a new password in a letter",
                "封書により新しいパスワードが設定され、それまでのパスワードは使えなくなりました。",
                "A letter was made with a new password, and the one before opens nothing any more.",
                "account.letter",
            ),
            Self::Removal => (
                "本人以外による二要素認証の取消し / a second factor was removed by another",
                "本人以外の者が二要素認証を取り消しました。他に二要素認証がなければ、パスワードだけで受信箱を開くことができます。",
                "A second factor was removed by another than its holder; without another one the password opens the mailbox.",
                "account.second-factor-removed",
            ),
            Self::User => (
                "利用者の割当て / an operating-system user was given to a person",
                "この者に OS の利用者が割り当てられました。その利用者は本人としてすべての命令を与えることができます。",
                "An operating-system user was given to this person, and can give every command as the person can.",
                "person.added",
            ),
            Self::NoUser => (
                "利用者の割当ての取消し / an operating-system user was taken from a person",
                "この者に割り当てられていた OS の利用者が取り消されました。その利用者は本人として命令を与えることができません。",
                "An operating-system user was taken from this person, and gives no command as them any more.",
                "person.unmapped",
            ),
        }
    }
}

/// The mail to the security officers; `about` is the identifier or the person.
pub(super) async fn notice(site: &Site, act: Act, about: &str) -> Result<Notice, Failure> {
    let (subject, ja, en, kind) = act.words();
    let search = format!("kakitome audit search --kind {kind} --subject {about}");
    Ok(Notice {
        to: site.directory.addresses_of(Role::SecurityOfficer).await?,
        subject: format!("[Kakitome] {subject}: {about}"),
        text: format!(
            "{about}\n{ja}\n誰が行ったかは次で確認できます。\n\n{about}\n{en}\nWho did it:\n\n    {search}\n"
        ),
    })
}

/// No mail is sent.
pub(super) fn nobody() -> Notice {
    Notice {
        to: Vec::new(),
        subject: String::new(),
        text: String::new(),
    }
}

/// Says so where no security officer could be told.
pub(super) async fn untold(answer: &mut Answer) {
    answer
        .note("No security officer has a mailbox here, so that none was told by mail; it is in the audit trail (clause 7.1(4)).")
        .await;
}
