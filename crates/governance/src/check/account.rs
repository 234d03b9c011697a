//! Accounts: passwords, orders, the register, and what an identifier reaches (clauses 4.1, 7.1, 8.1).

use super::{Check, unbroken};
use crate::state::Finding;

/// Schemes of passwords that are one-way: those that the directory keeps.
const ONE_WAY: &str = "'argon2id', 'argon2i', 'sha512-crypt', 'ssha512', 'blf-crypt'";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "passwords-hashed",
        look: |scene| {
            let query = format!(
                "SELECT DISTINCT scheme FROM credential WHERE LOWER(scheme) NOT IN ({ONE_WAY}) ORDER BY scheme LIMIT ?1"
            );
            let mut strange = scene.names(&query)?;
            // A digest of an app password has a length of its own, and no other secret of it is kept.
            strange.extend(scene.names(
                "SELECT 'app-password ' || CAST(number AS TEXT) FROM app_password
                 WHERE revoked_at IS NULL AND LENGTH(digest) <> 64 ORDER BY number LIMIT ?1",
            )?);
            Ok(unbroken(
                strange,
                "パスワードは一方向に変換した値だけが保存されている",
                "of passwords only one-way values are kept",
            ))
        },
    },
    Check {
        name: "password-rule",
        look: |scene| {
            let least = scene.facts.shortest_password;
            let demanded = scene.parameter("password-length").unwrap_or(8);
            Ok(match i64::from(least) < demanded {
                true => Finding::not_met(
                    format!(
                        "パスワードの下限は {least} 文字であり、規程の {demanded} 文字に足りない"
                    ),
                    format!(
                        "passwords have at least {least} characters, and {demanded} are demanded"
                    ),
                ),
                false => Finding::met(
                    format!("規則に満たないパスワードは受け付けられない({least} 文字以上)"),
                    format!(
                        "a password short of the rule is not taken (at least {least} characters)"
                    ),
                ),
            }
            .fact("shortest", least))
        },
    },
    Check {
        name: "initial-password-rule",
        look: |scene| {
            let letters = scene.count("SELECT COUNT(*) FROM letter")?;
            Ok(Finding::met(
                "初期パスワードはサーバが無作為に作り、常に規則を満たす",
                "initial passwords are made by chance by the server, and always satisfy the rule",
            )
            .fact("letters", letters))
        },
    },
    Check {
        name: "initial-password-only-to-change",
        look: |scene| {
            Ok(match scene.facts.initial_only_to_change {
                true => Finding::met(
                    "初期パスワードでは変更の画面だけを利用できる",
                    "an initial password opens only the page on which it is changed",
                ),
                false => Finding::not_met(
                    "初期パスワードのままで利用できる設定である",
                    "an initial password opens everything, by the settings",
                ),
            })
        },
    },
    Check {
        name: "suspend-everywhere",
        look: |scene| {
            let query = "SELECT a.identifier FROM incident i JOIN account a ON a.id = i.account
                WHERE i.kind = 'credential' AND i.closed_at IS NULL AND a.state = 'active' AND a.renewed = 0 ORDER BY a.identifier LIMIT ?1";
            let active = scene.names(query)?;
            Ok(unbroken(
                active,
                "停止は一つの操作ですべてのサービスに及ぶ",
                "one action suspends an identifier for every service",
            ))
        },
    },
    Check {
        name: "new-password-before-resume",
        look: |scene| {
            let query = "SELECT identifier FROM account WHERE state = 'active' AND renewed = 0 AND suspended_at IS NOT NULL ORDER BY identifier LIMIT ?1";
            let active = scene.names(query)?;
            Ok(unbroken(
                active,
                "新しいパスワードが設定されるまで再開できない",
                "nothing is resumed before there is a new password",
            ))
        },
    },
    Check {
        name: "order-before-issue",
        look: |scene| {
            let query = "SELECT a.identifier FROM account a JOIN orders o ON o.number = a.order_number
                WHERE o.approved_by IS NULL OR o.kind NOT IN ('issue', 'import', 'shared') ORDER BY a.identifier LIMIT ?1";
            let without = scene.names(query)?;
            let accounts = scene.count("SELECT COUNT(*) FROM account")?;
            Ok(unbroken(
                without,
                "すべての識別コードに承認された指示がある",
                "every identifier has an approved order",
            )
            .fact("accounts", accounts))
        },
    },
    Check {
        name: "order-before-deletion",
        look: |scene| {
            let query = "SELECT a.identifier FROM account a LEFT JOIN orders o ON o.number = a.delete_order
                WHERE a.state = 'deleted' AND (o.number IS NULL OR o.approved_by IS NULL) ORDER BY a.identifier LIMIT ?1";
            let without = scene.names(query)?;
            Ok(unbroken(
                without,
                "削除はすべて承認された指示による",
                "every deletion has an approved order",
            ))
        },
    },
    Check {
        name: "deletion-complete",
        look: |scene| {
            let query = "SELECT a.identifier FROM account a WHERE a.state = 'deleted' AND (
                EXISTS (SELECT 1 FROM account_key k WHERE k.account = a.id)
                OR EXISTS (SELECT 1 FROM credential c WHERE c.account = a.id)
                OR EXISTS (SELECT 1 FROM mailbox m WHERE m.account = a.id)
                OR EXISTS (SELECT 1 FROM address d WHERE d.account = a.id)
                OR EXISTS (SELECT 1 FROM forward f WHERE f.account = a.id))
                ORDER BY a.identifier LIMIT ?1";
            let left = scene.names(query)?;
            Ok(unbroken(
                left,
                "削除された識別コードの鍵、メールボックス、アドレス、転送は残っていない",
                "of deleted identifiers no key, mailbox, address or forward is left",
            ))
        },
    },
    Check {
        name: "one-identifier",
        look: |scene| {
            let separate = scene
                .count("SELECT COUNT(*) FROM account WHERE state <> 'deleted' AND msa <> mra")?;
            // Who is about to get a letter has no secret yet, and those who share one have app passwords of their own.
            let without = scene.names(
                "SELECT a.identifier FROM account a WHERE a.state = 'active' AND a.msa = 1 AND a.must_change_password = 0
                 AND NOT EXISTS (SELECT 1 FROM credential c WHERE c.account = a.id)
                 AND NOT EXISTS (SELECT 1 FROM shared_identifier s WHERE s.account = a.id) ORDER BY a.identifier LIMIT ?1",
            )?;
            let finding = match without.is_empty() {
                true => Finding::met(
                    "送信と受信は同じ識別コードと秘密で行われ、送信だけを止めることができる",
                    "sending and fetching have one identifier and one secret, and sending can be switched off by itself",
                ),
                false => Finding::not_met(
                    format!(
                        "送信できるのにパスワードの設定されていない識別コードがある: {}",
                        without.join("、")
                    ),
                    format!(
                        "identifiers may send, and no password is set for them: {}",
                        without.join(", ")
                    ),
                ),
            };
            Ok(finding.fact("with_one_service_only", separate))
        },
    },
    Check {
        name: "own-mailbox-only",
        look: |scene| {
            let query = "SELECT a.identifier FROM reading r JOIN account a ON a.id = r.account LEFT JOIN orders o ON o.number = r.order_number
                WHERE o.number IS NULL OR o.approved_by IS NULL OR o.kind <> 'read' ORDER BY a.identifier LIMIT ?1";
            let without = scene.names(query)?;
            let readings = scene.count("SELECT COUNT(*) FROM reading")?;
            Ok(unbroken(
                without,
                "他人のメールボックスは、目的と期限のある指示によらなければ読めない",
                "another's mailbox is read only on an order with a purpose and an end",
            )
            .fact("readings", readings)
            .fact("password_needs_order", scene.facts.password_needs_order))
        },
    },
    Check {
        name: "register-kept",
        look: |scene| {
            let query = "SELECT a.identifier FROM account a LEFT JOIN person p ON p.id = a.person WHERE p.id IS NULL ORDER BY a.identifier LIMIT ?1";
            let without = scene.names(query)?;
            let entries = scene.count("SELECT COUNT(*) FROM account")?;
            Ok(unbroken(
                without,
                "発行と台帳への記録は一つの確定操作である",
                "issue and entry in the register are one commit",
            )
            .fact("entries", entries))
        },
    },
    Check {
        name: "identifiers-retired",
        look: |scene| {
            // An alias may be several accounts', and goes on being the others' when one gives it up.
            let query = "SELECT d.local || '@' || d.domain FROM address d
                JOIN retired_address r ON r.local = d.local AND r.domain = d.domain AND r.account <> d.account
                JOIN account a ON a.id = r.account AND a.main_address = d.local || '@' || d.domain
                ORDER BY 1 LIMIT ?1";
            let reused = scene.names(query)?;
            let retired = scene.count("SELECT COUNT(*) FROM retired_address")?;
            Ok(unbroken(
                reused,
                "一度用いたアドレスと識別コードは他の者に使われていない",
                "no address or identifier that was another's is in use",
            )
            .fact("retired", retired))
        },
    },
    Check {
        name: "shared-identifier-order",
        look: |scene| {
            let query = "SELECT a.identifier FROM shared_identifier s JOIN account a ON a.id = s.account LEFT JOIN orders o ON o.number = s.order_number
                WHERE o.number IS NULL OR o.approved_by IS NULL ORDER BY a.identifier LIMIT ?1";
            let without = scene.names(query)?;
            let shared = scene.count("SELECT COUNT(*) FROM shared_identifier")?;
            Ok(unbroken(
                without,
                "共有識別コードにはすべて決定と見直しの期日がある",
                "every shared identifier has a decision and a day of review",
            )
            .fact("shared", shared))
        },
    },
    Check {
        name: "letter-tells-sharing",
        look: |scene| {
            let letters = scene.count("SELECT COUNT(*) FROM letter")?;
            Ok(Finding::met(
                "封書には共有か否かが必ず記される",
                "the letter always says whether the identifier is shared",
            )
            .fact("letters", letters))
        },
    },
];
