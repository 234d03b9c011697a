//! What stands on the pages, in Japanese and English, and what refusals are in words.

use directory::{
    command::CommandError,
    password::{MIN_DIFFERENT, MIN_LETTERS, Weakness},
};

/// The texts of one language. Each field is named for what it says.
pub(crate) struct Words {
    pub(crate) lang: &'static str,
    pub(crate) other_lang: &'static str,
    pub(crate) other: &'static str,
    pub(crate) title: &'static str,
    pub(crate) log_in: &'static str,
    pub(crate) log_out: &'static str,
    pub(crate) identifier: &'static str,
    pub(crate) password: &'static str,
    pub(crate) code: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) try_later: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) stale: &'static str,
    pub(crate) account: &'static str,
    pub(crate) aliases: &'static str,
    pub(crate) change_password: &'static str,
    pub(crate) must_change: &'static str,
    pub(crate) present: &'static str,
    pub(crate) chosen: &'static str,
    pub(crate) again: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) not_same: &'static str,
    pub(crate) present_wrong: &'static str,
    pub(crate) changed: &'static str,
    pub(crate) logins: &'static str,
    pub(crate) logins_hint: &'static str,
    pub(crate) none_yet: &'static str,
    pub(crate) when: &'static str,
    pub(crate) how: &'static str,
    pub(crate) from: &'static str,
    pub(crate) result: &'static str,
    pub(crate) success: &'static str,
    pub(crate) failure: &'static str,
    pub(crate) app_passwords: &'static str,
    pub(crate) app_hint: &'static str,
    pub(crate) name: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) both: &'static str,
    pub(crate) send: &'static str,
    pub(crate) fetch: &'static str,
    pub(crate) made: &'static str,
    pub(crate) used: &'static str,
    pub(crate) never: &'static str,
    pub(crate) expires: &'static str,
    pub(crate) expires_hint: &'static str,
    pub(crate) revoke: &'static str,
    pub(crate) make: &'static str,
    pub(crate) shown_once: &'static str,
    pub(crate) back: &'static str,
    pub(crate) forwards: &'static str,
    pub(crate) forwards_hint: &'static str,
    pub(crate) target: &'static str,
    pub(crate) no_address: &'static str,
    pub(crate) second_factors: &'static str,
    pub(crate) second_hint: &'static str,
    pub(crate) second_needed: &'static str,
    pub(crate) second_add: &'static str,
    pub(crate) second_scan: &'static str,
    pub(crate) second_code: &'static str,
    pub(crate) second_wrong: &'static str,
    pub(crate) add: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) records: &'static str,
    pub(crate) records_text: &'static str,
    pub(crate) records_ok: &'static str,
    pub(crate) records_done: &'static str,
    pub(crate) no_such_page: &'static str,
}

pub(crate) static JA: Words = Words {
    lang: "ja",
    other_lang: "en",
    other: "English",
    title: "メールアカウントの管理",
    log_in: "ログイン",
    log_out: "ログアウト",
    identifier: "識別コード（メールアドレス）",
    password: "パスワード",
    code: "確認コード（設定した方のみ）",
    refused: "識別コード、パスワード、または確認コードが違います。",
    try_later: "ただいま処理できません。しばらくしてからもう一度お試しください。",
    ended: "ログインが終了しました。もう一度ログインしてください。",
    stale: "この操作は受け付けられませんでした。画面を開き直してからもう一度お試しください。",
    account: "アカウント",
    aliases: "別名アドレス",
    change_password: "パスワードの変更",
    must_change: "最初のパスワードをお使いです。まず、ここで新しいパスワードに変更してください。",
    present: "現在のパスワード",
    chosen: "新しいパスワード",
    again: "新しいパスワード（確認）",
    rule: "8文字以上で、英字などの文字を2文字以上、文字以外（数字や記号）を1文字以上、異なる文字を4種類以上使ってください。20文字以上なら文字の種類は問いません（サイトの設定によります）。よくある言葉、お名前、アドレスを元にしたものは使えません。",
    not_same: "新しいパスワードが2回とも同じではありません。",
    present_wrong: "現在のパスワードが違います。",
    changed: "パスワードを変更しました。新しいパスワードでログインしてください。",
    logins: "最近のログイン",
    logins_hint: "覚えのないログインがあるときは、すぐに情報システムセキュリティ管理者に知らせてください。",
    none_yet: "まだありません。",
    when: "日時",
    how: "方法",
    from: "接続元",
    result: "結果",
    success: "成功",
    failure: "失敗",
    app_passwords: "アプリパスワード",
    app_hint: "メールソフトや端末ごとに一つずつ作るパスワードです。失くしたときは、それだけを無効にできます。",
    name: "名前",
    scope: "用途",
    both: "送信と受信",
    send: "送信のみ",
    fetch: "受信のみ",
    made: "作成",
    used: "最後の利用",
    never: "なし",
    expires: "期限",
    expires_hint: "期限（なければ空欄）",
    revoke: "無効にする",
    make: "作る",
    shown_once: "このパスワードは一度だけ表示されます。メールソフトに入力してください。どこにも保存されません。",
    back: "戻る",
    forwards: "転送",
    forwards_hint: "届いたメールの転送先です。外部への転送には、責任者の命令が必要な場合があります。覚えのない転送先は外し、管理者に知らせてください。",
    target: "転送先",
    no_address: "メールアドレスとして読めません。",
    second_factors: "二段階認証",
    second_hint: "ログインのときに、パスワードのほかに端末に表示される確認コードを求めます。設定すると、メールソフトにはアプリパスワードが必要になります。",
    second_needed: "あなたの役割では二段階認証が必要です。設定するまで、ほかの操作はできません。",
    second_add: "確認コードの端末を追加する",
    second_scan: "認証アプリで次の図を読み取るか、文字列を入力してから、表示された確認コードを入れてください。",
    second_code: "確認コード",
    second_wrong: "確認コードが違います。端末の時計が合っているか確かめてください。",
    add: "追加する",
    remove: "外す",
    records: "記録についての通知",
    records_text: "このメールサービスでは、送受信の日時、差出人と宛先、接続元の場所、認証の成否などの記録を保存し、情報セキュリティのために分析することがあります。",
    records_ok: "了解しました",
    records_done: "了解した日時",
    no_such_page: "そのようなページはありません。",
};

pub(crate) static EN: Words = Words {
    lang: "en",
    other_lang: "ja",
    other: "日本語",
    title: "Your mail account",
    log_in: "Log in",
    log_out: "Log out",
    identifier: "Identifier (mail address)",
    password: "Password",
    code: "Code of your second factor (if you have one)",
    refused: "The identifier, the password or the code is wrong.",
    try_later: "This cannot be done now. Please try again later.",
    ended: "Your session has ended. Please log in again.",
    stale: "That was not accepted. Please open the page again and retry.",
    account: "Account",
    aliases: "Other addresses",
    change_password: "Change the password",
    must_change: "This is still the password that was issued to you. Change it here first.",
    present: "Present password",
    chosen: "New password",
    again: "New password, once more",
    rule: "At least 8 characters: 2 letters, 1 that is not a letter, 4 different ones. From 20 characters on it does not matter which, unless this site wants otherwise. No common word, no name or address with little added.",
    not_same: "The two new passwords differ.",
    present_wrong: "The present password is wrong.",
    changed: "The password was changed. Please log in with the new one.",
    logins: "Recent logins",
    logins_hint: "If there is a login that was not you, tell the administrator at once.",
    none_yet: "None yet.",
    when: "When",
    how: "How",
    from: "From",
    result: "Result",
    success: "in",
    failure: "refused",
    app_passwords: "App passwords",
    app_hint: "One password for each mail program or device, so that one alone can be given up when it is lost.",
    name: "Name",
    scope: "For",
    both: "sending and fetching",
    send: "sending only",
    fetch: "fetching only",
    made: "Made",
    used: "Last use",
    never: "never",
    expires: "Until",
    expires_hint: "Until (empty: no end)",
    revoke: "Give up",
    make: "Make",
    shown_once: "This password is shown this once. Type it into the mail program; it is kept nowhere.",
    back: "Back",
    forwards: "Forwards",
    forwards_hint: "Where your mail goes on to. To an address outside, an officer's order may be needed. Remove what you do not know, and tell the administrator.",
    target: "Goes on to",
    no_address: "This is no mail address.",
    second_factors: "Second factors",
    second_hint: "Besides the password, a login asks for a code that a device of yours shows. Mail programs then need an app password each.",
    second_needed: "With your role you have to have a second factor. Nothing else can be done before.",
    second_add: "Add a device that shows codes",
    second_scan: "Read this with an authenticator program, or type the text, then enter the code that it shows.",
    second_code: "Code",
    second_wrong: "The code is wrong. Is the clock of the device right?",
    add: "Add",
    remove: "Remove",
    records: "Notice on the records",
    records_text: "This service keeps records of the time, sender and recipients of mail, of the places that it is used from and of logins, and may analyse them for the sake of information security.",
    records_ok: "I have taken note of this",
    records_done: "Taken note of",
    no_such_page: "There is no such page.",
};

/// The language of a cookie, or what the browser likes best: Japanese, unless it says English first.
pub(crate) fn choose(cookie: Option<&str>, accepted: &str) -> &'static Words {
    match cookie {
        Some("ja") => &JA,
        Some("en") => &EN,
        _ if prefers_english(accepted) => &EN,
        _ => &JA,
    }
}

fn prefers_english(accepted: &str) -> bool {
    let first = |language: &str| {
        accepted
            .split(',')
            .position(|part| part.trim().to_ascii_lowercase().starts_with(language))
    };
    match (first("en"), first("ja")) {
        (Some(en), Some(ja)) => en < ja,
        (en, None) => en.is_some(),
        (None, Some(_)) => false,
    }
}

/// Why a command was refused, for the person who gave it.
pub(crate) fn refusal(words: &Words, error: &CommandError) -> String {
    let weakness = match error {
        _ if error.is_failure() => return words.try_later.to_owned(),
        CommandError::SamePassword if words.lang == "ja" => {
            return "新しいパスワードが現在のものと同じです。".to_owned();
        }
        CommandError::Password(weakness) if words.lang == "ja" => weakness,
        other => return other.to_string(),
    };
    match weakness {
        Weakness::TooShort(least) => format!("パスワードは{least}文字以上にしてください。"),
        Weakness::TooLong => "パスワードが長すぎます。".to_owned(),
        Weakness::FewLetters => {
            format!("パスワードには文字を{MIN_LETTERS}文字以上使ってください。")
        }
        Weakness::OnlyLetters => "パスワードには数字や記号も使ってください。".to_owned(),
        Weakness::FewDifferent => {
            format!("パスワードには異なる文字を{MIN_DIFFERENT}種類以上使ってください。")
        }
        Weakness::Control => "パスワードに制御文字は使えません。".to_owned(),
        Weakness::Common => "よくある言葉やキーの並びに近いパスワードは使えません。".to_owned(),
        Weakness::Address => "アドレスや名前を元にしたパスワードは使えません。".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_unless_the_browser_likes_english_better() {
        for (cookie, accepted, language) in [
            (None, "", "ja"),
            (None, "ja,en-US;q=0.7,en;q=0.3", "ja"),
            (None, "en-GB,en;q=0.9", "en"),
            (None, "fr", "ja"),
            (Some("ja"), "en", "ja"),
            (Some("en"), "ja", "en"),
            (Some("x"), "ja", "ja"),
        ] {
            assert_eq!(choose(cookie, accepted).lang, language, "{accepted}");
        }
    }
}
