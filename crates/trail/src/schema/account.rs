//! Accounts, and what proves that somebody may use them.

use super::Schema;

pub(super) const ACCOUNTS: &[Schema] = schemas! {
    AccountIssued {
        subject: "the identifier";
        outcome: Success;
        order: "the order that it was issued on, or that of the import";
        shared: SINGLE_PERSON;
        facts:
            Always "account" Text: "The account's number.";
            Always "person" Text: "Short name of the holder.";
            Sometimes "password_shown" Boolean: "Whether whoever issued it was shown the initial password; absent if it was imported, and in events of older programs.";
            OrNull "quota" Number: "Octets that its mailboxes may hold; null if there is no limit.";
            Sometimes "acknowledged_at" Text: "When the holder acknowledged that mail records are kept (clause 9.1(2); RFC 3339), null if not; absent if it was imported.";
            Sometimes "line" Number: "Its line in the file, if it was imported.";
            Sometimes "scheme" Text: "How its password is kept, if it was imported.";
    }
    AccountDeleted {
        subject: "the identifier, which is never given again";
        outcome: Success;
        order: "the order that it was deleted on";
        shared: SINGLE_PERSON;
        facts:
            Always "account" Text: "The account's number.";
            Always "person" Text: "Short name of the holder.";
            Always "messages" Number: "How many messages went with it.";
            Always "bytes" Number: "Octets of them.";
            Always "app_passwords" Number: "How many app passwords went with it.";
            Always "second_factors" Number: "How many second factors went with it.";
            Always "forwards" Number: "How many forwards of it ended.";
            Sometimes "queue" Text: "What became of what it had queued: `keep`, still to be delivered; `release`, what was held goes out too; `discard`; absent in events of older programs, and if it was carried out again in a backup.";
            Sometimes "references" List: "What referred to it, each in words with what became of it; absent if it was carried out again in a backup.";
            Sometimes "repeated" Boolean: "True: it was carried out again in a backup from before it, which this site was made of.";
    }
    AccountSuspended {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "reason" Text: "Why.";
            Sometimes "app_passwords_revoked" Number: "How many app passwords went with it; absent if its sharing was not reviewed, and in events of older programs where a rule suspended it.";
            Sometimes "before" Text: "`active` or `suspended`; absent in events of older programs where somebody suspended it by command.";
            Sometimes "after" Text: "`suspended`; there if `before` is.";
            Sometimes "incident" Number: "The incident that was opened with it (clause 4.1), if one was.";
            Sometimes "forwards_left" List: "Of an incident, addresses that its mail still goes on to, since an order permits it.";
            Sometimes "review_at" Text: "Until when its sharing was to be decided anew (clause 8.1; RFC 3339), if it was not.";
            Sometimes "left_at" Text: "When its holder was to leave (RFC 3339), if that has come (clause 9.2(1)).";
            Sometimes "off_roster_since" Text: "Since when its holder is not on the personnel's list (RFC 3339), if that is why (clause 7.1(3)).";
            Sometimes "idle_since" Text: "When it was last used (RFC 3339), if it lies idle (clause 7.1(3)).";
            Sometimes "warned_at" Text: "When its holder was warned of that (RFC 3339), or null; there if `idle_since` is.";
    }
    AccountResumed {
        subject: "the identifier";
        outcome: Success;
        facts:
            Sometimes "before" Text: "`suspended`; absent in events of older programs.";
            Sometimes "after" Text: "`active`; there if `before` is.";
            OrNull "suspended_at" Number: "When it was suspended, in microseconds since 1970.";
            OrNull "incident" Number: "The incident of which that is a step (clause 4.1); null if none is open.";
    }
    AccountChanged {
        subject: "the identifier; the alias, if it was said who may write to it";
        outcome: Success;
        order: "the order that the last account of one who shared it was deleted on, if `users` became fewer by that";
        shared: SINGLE_PERSON;
        facts:
            Sometimes "alias_added" Text: "The alias that it got.";
            Sometimes "targets_before" List: "Identifiers of the accounts that the alias meant before; there if `alias_added` is, but for events of older programs.";
            Sometimes "users" List: "Short names of those who go on sharing it, when the last account of one who did was deleted.";
            Sometimes "users_before" List: "Short names of those who shared it before; there if `users` is.";
            Sometimes "app_passwords_revoked" Number: "How many app passwords ended with that; there if `users` is.";
            Sometimes "alias_removed" Text: "The alias that it lost.";
            Sometimes "role_address" Text: "The address, `postmaster@` or `abuse@`, whose mail it gets from now on.";
            Sometimes "msa" Boolean: "Whether it may submit mail from now on; there if a service was switched.";
            Sometimes "mra" Boolean: "Whether it may retrieve mail from now on; there if `msa` is.";
            Sometimes "role_address_before" Text: "The identifier whose account got the mail of `role_address` before, or null; there if that is.";
            Sometimes "msa_before" Boolean: "Whether it was allowed to submit mail before; there if `msa` is.";
            Sometimes "mra_before" Boolean: "Whether it was allowed to retrieve mail before; there if `msa` is.";
            Sometimes "repeated" Boolean: "True: the alias was retired again in a backup from before that.";
            Sometimes "writers" Text: "Who may write to the alias from now on: `anyone`, `inside`, `members` or `named`.";
            Sometimes "named" List: "Identifiers of those who may, if `writers` is `named`.";
            Sometimes "named_before" List: "Identifiers of those who were allowed to, if `writers_before` is `named`.";
            Sometimes "writers_before" Text: "Who was allowed to before; there if `writers` is.";
    }
    IdentifierShared {
        subject: "the identifier";
        outcome: Success;
        order: "the order that it is shared on";
        shared: SINGLE_PERSON;
        facts:
            Always "users" List: "Short names of those who use it from now on.";
            Always "users_before" List: "Short names of those who did before; empty if it was not shared.";
            Always "review_at" Text: "Until when that is to be decided anew (RFC 3339).";
            Always "app_passwords_revoked" Number: "How many app passwords ended with it.";
    }
    IdentifierUnshared {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "shared_on" Number: "The order that it was shared on.";
            Sometimes "users_before" List: "Short names of those who used it; absent in events of older programs.";
            Always "app_passwords_revoked" Number: "How many app passwords ended with it.";
    }
    SharingTold {
        subject: "the identifier";
        outcome: Success, Failure;
        facts:
            Always "decision" Text: "Number of the event that tells of the decision.";
            Always "administrators" List: "Addresses of administrators that it was sent to; empty: none of them has a mailbox here, and the outcome is failure.";
            Always "users" List: "Addresses of those who use it, or used it until then, that it was sent to.";
    }
    ReviewWarned {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "review_at" Text: "Until when its sharing is to be decided anew (RFC 3339).";
            Always "sent" Boolean: "Whether mail went to them; false: nobody could be sent any.";
    }
    IdleWarned {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "idle_since" Text: "When it was last used (RFC 3339).";
            Sometimes "person_left" Boolean: "Whether it was for that its holder has left; absent in events of older programs.";
            OrNull "suspends_at" Text: "When it is suspended if it is not used (RFC 3339); null if it is not.";
            Always "sent" Boolean: "Whether mail went to the holder, or to the account managers if the holder has left; false: none could be sent.";
    }
    PlaintextWarned {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "networks" List: "The networks that may log in without TLS.";
            OrNull "used_at" Text: "When the identifier last logged in without TLS, to the day (RFC 3339); null if it never did.";
            OrNull "used_from" Text: "From which address that was; null if it never did.";
            OrNull "used_with" Text: "By which protocol that was; null if it never did.";
            Always "sent" Boolean: "Whether mail went to the holder; false: none could be sent.";
    }
    ReadingOpened {
        subject: "the identifier whose mailbox it is";
        outcome: Success;
        order: "the order that permits it";
        shared: SINGLE_PERSON;
        facts:
            Always "person" Text: "Short name of who may read.";
            Always "purpose" Text: "What for, as the order has it.";
            Always "until" Text: "Until when (RFC 3339).";
    }
    ReadingEnded {
        subject: "the identifier whose mailbox it is";
        outcome: Success;
        order: "the order that permitted it";
        facts:
            Always "person" Text: "Short name of who read.";
            Always "why" Text: "`command`; `over`: its time had come, or who read has left; or `deleted`: the last account of who read was.";
            Sometimes "delete_order" Number: "The order that that account was deleted on, if `why` is `deleted`.";
    }
    ForwardAdded {
        subject: "the identifier";
        outcome: Success;
        order: "the order that permits it, if it needs one";
        shared: SINGLE_PERSON;
        facts:
            Always "target" Text: "The address that mail goes on to.";
            OrNull "until" Text: "Until when (RFC 3339); null if there is no end.";
    }
    ForwardRemoved {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "target" Text: "The address that mail went on to.";
            Always "why" Text: "`command`, `over` (its time is over) or `incident`.";
            Sometimes "incident" Number: "The incident that was opened with it (clause 4.1), if one was.";
    }
    HoldPlaced {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "reason" Text: "Why, as it was typed.";
    }
    HoldLifted {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "reason" Text: "Why, as it was typed.";
            Always "placed_for" Text: "Why it was placed.";
            Always "placed_by" Text: "Short name of who placed it.";
            Sometimes "repeated" Boolean: "True: its account was deleted after this backup, before which it was lifted; that was carried out again in it.";
    }
};

pub(super) const SECRETS: &[Schema] = schemas! {
    PasswordChanged {
        subject: "the identifier";
        outcome: Success;
        order: "the order that permitted another than the holder to set it; of the first letter, the order that the account was issued on";
        shared: SINGLE_PERSON;
        facts:
            Sometimes "incident" Number: "The open incident that stands for an order, since it demands a new password, if another than the holder set it.";
            Always "by" Text: "`holder` or `account-manager`.";
            Always "made" Boolean: "Whether the server made it; else it was chosen.";
            Sometimes "letter" Number: "Number of the sealed letter that it is in, if it is in one.";
    }
    PasswordUpgraded {
        subject: "the identifier";
        outcome: Success;
        order: "the order that the account was issued on";
        facts:
            Always "from" Text: "The scheme that it was kept with.";
            Always "to" Text: "The scheme that it is kept with from now on.";
            Always "scram" Boolean: "True: what SCRAM needs is kept too.";
    }
    LetterMade {
        subject: "the identifier";
        outcome: Success;
        order: "the order that permitted it; of the first letter, the order that the account was issued on";
        shared: SINGLE_PERSON;
        facts:
            Sometimes "incident" Number: "The open incident that stands for an order, since it demands a new password.";
            Always "letter" Number: "The letter's number.";
            Always "sha256" Text: "SHA-256 of the letter's file, in hexadecimal digits.";
            Sometimes "file" Text: "The file that it was written to, to be printed and removed; absent in events of older programs.";
            OrNull "again" Text: "Why there is another one, as it was typed; null if none was there whose password is still good.";
    }
    LetterHanded {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "letter" Number: "The letter's number.";
            Always "receipt" Text: "To whom and how, as it was typed.";
    }
    AppPasswordMade {
        subject: "the identifier";
        outcome: Success;
        shared: APP_PASSWORD, APP_PASSWORD_NAME;
        facts:
            Always "msa" Boolean: "Whether it is good for submission.";
            Always "mra" Boolean: "Whether it is good for retrieval.";
            OrNull "expires_at" Text: "Until when it is good (RFC 3339); null if there is no end.";
    }
    AppPasswordRevoked {
        subject: "the identifier";
        outcome: Success;
        shared: APP_PASSWORD, APP_PASSWORD_NAME;
        facts:
            Always "why" Text: "`command`, `expired`, `incident`, or `left`: the day that whoever made it was to leave on has come (clause 9.2(1)).";
            Sometimes "incident" Number: "The incident that it was revoked by, if one was.";
    }
    SecondFactorAdded {
        subject: "the identifier";
        outcome: Success;
        facts:
            Always "second_factor" Number: "The second factor's number.";
            Always "second_factor_kind" Text: "What it is: `totp`, codes by time (RFC 6238), or `passkey` (WebAuthn).";
            Always "name" Text: "The name that the holder gave it.";
    }
    SecondFactorRemoved {
        subject: "the identifier";
        outcome: Success;
        order: "the order that permitted another than the holder to remove it, if one did";
        shared: SINGLE_PERSON;
        facts:
            Always "second_factor" Number: "The second factor's number.";
            Always "name" Text: "The name that the holder gave it.";
            Sometimes "second_factor_kind" Text: "What it was, `totp` or `passkey`, if an incident removed it.";
            Always "by" Text: "`holder`, `account-manager`, or `incident`: it was added since the owner's last sure use.";
            Sometimes "incident" Number: "The incident that it was removed by; or the open incident that stands for an order, if another than the holder removed it.";
    }
};
