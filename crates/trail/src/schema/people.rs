//! People, roles, orders, the register, and incidents.

use super::Schema;

pub(super) const PEOPLE: &[Schema] = schemas! {
    PersonAdded {
        subject: "the person's short name";
        outcome: Success;
        order: "the order of the import that entered the person, or on which the person got an operating-system user, if there is one";
        shared: SINGLE_PERSON;
        facts:
            Sometimes "full_name" Text: "The name as people read it; absent if a person who was there got an operating-system user.";
            Sometimes "user" Text: "The operating-system user that the person is from now on, if one was named.";
            Sometimes "users_before" List: "The operating-system users that the person was before, if the person was there.";
            Sometimes "users_after" List: "Those that the person is from now on; there if `users_before` is.";
            Sometimes "roles" List: "Roles that the first person of the installation has from the start.";
            Sometimes "role" Text: "The role that an import gives: `staff`.";
            Sometimes "reason" Text: "Why nobody else entered the person: it is the first of the installation.";
    }
    PersonUnmapped {
        subject: "the person's short name";
        outcome: Success;
        facts:
            Always "user" Text: "The operating-system user that the person is not any more.";
            Always "users_before" List: "The operating-system users that the person was.";
            Always "users_after" List: "Those that the person still is.";
    }
    ArrivalNoted {
        subject: "the person's short name";
        outcome: Success;
        facts:
            OrNull "before" Text: "Short name of who had announced the person before; null if nobody had.";
            Always "after" Text: "Short name of who announced the person now.";
    }
    RosterCompared {
        subject: "SHA-256 of the list, in hexadecimal digits";
        outcome: Success;
        facts:
            Always "listed" Number: "How many people are on the list.";
            Sometimes "not_on_list" List: "Short names of people who are in the directory and not on the list, the first two hundred.";
            Always "missing" Number: "How many there are of them.";
            Always "came_back" List: "Short names of those of them before who are on the list now, the first two hundred.";
    }
    PersonLanguage {
        subject: "the person's short name";
        outcome: Success;
        facts:
            OrNull "before" Text: "Which it was: `ja`, `en` or `both`; null: the site's.";
            OrNull "language" Text: "Which it is now; null: the site's.";
    }
    PersonLeft {
        subject: "the person's short name";
        outcome: Success;
        facts:
            Always "roles" List: "The roles that ended.";
            Always "accounts" List: "Identifiers of the person's accounts, which stay until an order deletes them (clause 9.2(1)).";
            Always "shared" List: "Shared identifiers that the person used, and does not any more (clause 8.1).";
    }
    RoleGranted {
        subject: "the person's short name";
        outcome: Success;
        order: "the order on which the person's account was issued, if the role came with it";
        facts:
            Sometimes "roles_before" List: "The roles that the person held before; absent if an account's issue gave it, and in events of older programs.";
            Sometimes "roles_after" List: "Those that the person holds from now on; there if `roles_before` is.";
            Always "role" Text: "The role: `administrator`, `account-manager`, `system-officer`, `security-officer`, `personnel-clerk` or `staff`.";
    }
    RoleRevoked {
        subject: "the person's short name";
        outcome: Success;
        facts:
            Sometimes "roles_before" List: "The roles that the person held before; absent in events of older programs.";
            Sometimes "roles_after" List: "Those that the person holds from now on; there if `roles_before` is.";
            Always "role" Text: "The role.";
    }
    OrderIssued {
        subject: "the order's number";
        outcome: Success;
        order: "the order itself";
        shared: SINGLE_PERSON;
        facts:
            Always "order_kind" Text: "What it is to permit: `issue`, `delete`, `import`, `forward`, `shared`, `read`, `password` (one new password of somebody), `second-factor` (its removal) or `user` (an operating-system user of somebody).";
            OrNull "for" Text: "Short name of the person whom it concerns; null if it concerns none.";
            Sometimes "announced_by" Text: "Of `issue`: short name of who announced the person (clause 9.1(1)); absent if that is not on record.";
            Always "details" Object: "What exactly is ordered, of these as far as they matter: `address`, `name`, `quota` (octets), `to`, `purpose`, `users` (short names), `until` and `not_before` (RFC 3339), `second_factor` (its number), `user`, `os_users` (of those who get a mailbox), `rows`.";
            OrNull "digest" Text: "SHA-256 of the file to be imported, in hexadecimal digits; null if there is none.";
    }
    OrderApproved {
        subject: "the order's number";
        outcome: Success;
        order: "the order itself";
        shared: SINGLE_PERSON;
        facts:
            Always "issued_by" Text: "Short name of who issued it.";
            Always "expires_at" Text: "Until when it may be carried out (RFC 3339).";
            Sometimes "permits" Text: "SHA-256 in hexadecimal digits over all that it permits, by which a row that was changed since is known; absent in events of older programs.";
    }
    NoticeGiven {
        subject: "the person's short name";
        outcome: Success;
        facts:
            Always "language" Text: "The notice's language: `ja` or `en`.";
            Always "retain_years" Number: "How many years of keeping it tells.";
            Always "sha256" Text: "SHA-256 of its text, in hexadecimal digits.";
            Sometimes "sent_to" List: "The address that it was sent to by mail; absent if it was printed.";
    }
    NoticeAcknowledged {
        subject: "the person's short name";
        outcome: Success;
        facts:
            Always "way" Text: "`self`, if the person said so; `paper`, if somebody has seen what the person signed.";
            OrNull "before" Text: "When it was acknowledged before (RFC 3339); null if it was not.";
    }
    DepartureNoted {
        subject: "the person's short name";
        outcome: Success;
        facts:
            OrNull "before" Text: "The day of departure that was noted before (RFC 3339); null if there was none.";
            Always "after" Text: "The day of departure (RFC 3339).";
    }
    ErasureAsked {
        subject: "the deleted identifier";
        outcome: Success;
        facts:
            Always "reason" Text: "Why, as it was typed.";
    }
    EntryErased {
        subject: "the deleted identifier, which stays taken";
        outcome: Success;
        shared: SINGLE_PERSON;
        facts:
            Always "asked_by" Text: "Short name of who asked for it.";
            Always "reason" Text: "Why it was asked for.";
            Sometimes "repeated" Boolean: "True: it was erased again in a backup from before that.";
    }
};

pub(super) const INCIDENTS: &[Schema] = schemas! {
    AddressBlocked {
        subject: "the network, as address and prefix length";
        outcome: Success;
        facts:
            Always "reason" Text: "Why.";
            Sometimes "until" Text: "When it ends by itself (RFC 3339, UTC); absent if it does not.";
            Sometimes "incident" Number: "The incident that it belongs to, if it belongs to one.";
    }
    AddressUnblocked {
        subject: "the network, as address and prefix length";
        outcome: Success;
        facts:
            Always "reason" Text: "Why it ends.";
            Always "blocked_for" Text: "Why it was blocked.";
            Always "blocked_at" Text: "Since when it was blocked (RFC 3339, UTC).";
            Sometimes "incident" Number: "The incident that it belongs to, if it belongs to one.";
            Sometimes "by_incident" Number: "The incident whose lever ended it, if one did.";
    }
    IncidentOpened {
        subject: "the incident's number";
        outcome: Success;
        facts:
            Always "incident_kind" Text: "What happened: `credential`, a password in wrong hands; `malware-inside`, malware that was sent from inside; `malware-outside`, malware from elsewhere; `backscatter` (until format 9 `bounce-surge`), many bounces to mail that was never sent from here; `submission-surge`, an identifier that submits many times what it usually does; `dos`, traffic that differs much from what is usual while service suffers; `relay`, the own probe found that the server relays or lets in whom it must not; `trail-gap`, the audit trail is not what was written; `clock-jump`, the clock was set; `other`.";
            Always "identifier" Text: "The identifier that it is about; empty if it is about none.";
            Always "reason" Text: "What it was opened for: as it was typed, or what the server found.";
            Always "since" Text: "From when on the trail is analysed (RFC 3339): of a password, when its owner last used it for sure.";
            Sometimes "facts" Object: "Of `backscatter`: how many bounces (`bounces`) within how many seconds (`within_seconds`), and the last of them (`samples`, each with `at`, `peer`, `hello`, `recipient`). Of `submission-surge`: `messages` and `recipients` of the hour, what is usual (`usual_messages`, `usual_recipients`), and some of what is held (`samples`, each with `at`, `id`, `message_id`, `recipients`). Of `dos`: `deviations` and `harms` as `traffic.state` has them, and the `sources` and `destinations` that most went from and to in the hour, each a name and a number. Of `relay`: the `failed` and `unreached` of `probe.done`. Of `trail-gap`: how many `findings`, the first of them (`samples`), and their `digest`. Of `malware-outside` that the server opened: what a scanner calls it (`malware`), the refused `message`, its `source` (an address; of IPv6 the network), and the `domain` that is shown to have sent it, may be empty. Of `clock-jump`: the facts of `server.clock-jumped`. Of one that a person opened: how many events of the kinds that its runbook names there were in the day before (`events`, an object). Of `credential`: what was added to the identifier since `since` (`left_behind`: `app_passwords` and `second_factors`, lists of objects, and how many more there were, `left_out`).";
            Sometimes "runbook" Number: "The version of the runbook that it goes by to its end; absent if none was in force yet.";
            Sometimes "found" Text: "Of `malware-inside`: what the scanner calls it.";
            Sometimes "found_in" Text: "Of `malware-inside`: the id of the message that was refused, or the mailbox that it was to be put into.";
    }
    IncidentStep {
        subject: "the incident's number";
        outcome: Success;
        facts:
            Always "step" Text: "The step, as the incident's runbook has it. Those that the server takes part in are `analysed`, `reported`, `acknowledged`, `terminal-cleaned`, `queue-settled`, `rejected`, `measure-taken`, `owner-told`, `password-renewed`, `handed-over` and `resumed`; what an opening does by itself (suspend the identifier, block the address, hold the mail) is told by events of its own.";
            Sometimes "note" Text: "What was said of it, may be empty; absent if the server took the step, but of `queue-settled`, and of `password-renewed` and `handed-over` of a shared identifier.";
            Sometimes "excused_until" Text: "Of `queue-settled`, if held submissions were found in order: until when the identifier's submissions are not compared with what is usual (RFC 3339).";
            Sometimes "sha256" Text: "SHA-256 of the report, in hexadecimal digits, if the server took the step.";
            Sometimes "single_person" Boolean: "Of `acknowledged`: that the one who opened the incident took it; absent otherwise.";
            Sometimes "recipients" List: "Addresses that the report or notice was sent to, of the steps `reported` and `owner-told` if the server took them.";
    }
    IncidentClosed {
        subject: "the incident's number";
        outcome: Success;
        facts:
            Always "identifier" Text: "The identifier that it was about; empty if it was about none.";
            Sometimes "in_force" List: "What was done by levers of it and is still in force, if anything is.";
            Sometimes "repeated" Boolean: "True: its account was deleted after this backup, before which it was closed; that was carried out again in it.";
    }
    IncidentActed {
        subject: "the incident's number";
        outcome: Success;
        facts:
            Always "lever" Text: "The lever: `suspend`, `resume`, `block`, `unblock`, `hold`, `release`, `limit`, `unlimit`, `drain`, `undrain`.";
            Always "target" Text: "What it was used on: an identifier, a network, or mail of an identifier (`identifier:`) or for a domain (`domain:`); of `limit` and `unlimit`, `identifier:`, `network:` or `domain:`, and after a space the rate; of `drain` and `undrain`, `exchange` or `submission`.";
            Always "in_force" Boolean: "Whether what it does lasts: false of what undoes another.";
            Sometimes "note" Text: "Why, if that was said.";
    }
    LimitPlaced {
        subject: "whose mail: `identifier:`, `network:` or `domain:` and its name";
        outcome: Success;
        facts:
            Always "rate" Text: "How many recipients in what time: `20/minute`, `100/hour`.";
            Always "incident" Number: "The incident that it belongs to, with which it ends at the latest.";
            Always "reason" Text: "Why.";
            Sometimes "before" Text: "The rate that the incident had set before, if it had.";
    }
    LimitLifted {
        subject: "whose mail: `identifier:`, `network:` or `domain:` and its name";
        outcome: Success;
        facts:
            Always "rate" Text: "How many recipients in what time it was limited to.";
            Always "incident" Number: "The incident that it belonged to.";
            Always "reason" Text: "Why it ends: as it was said, or `the incident is closed`.";
    }
    DrainBegun {
        subject: "where no new mail is taken: `exchange` or `submission`";
        outcome: Success;
        facts:
            Always "incident" Number: "The incident that it belongs to, with which it ends at the latest.";
            Always "reason" Text: "Why.";
            Always "due" Number: "Recipients that waited in the queue and are tried at once.";
    }
    DrainEnded {
        subject: "where new mail is taken again: `exchange` or `submission`";
        outcome: Success;
        facts:
            Always "incident" Number: "The incident that it belonged to.";
            Always "reason" Text: "Why it ends: as it was said, or `the incident is closed`.";
    }
    IncidentReminded {
        subject: "the incident's number";
        outcome: Success;
        facts:
            Always "steps" List: "The steps that are late.";
            Always "recipients" List: "The addresses that were told; empty if nobody who may take them has a mailbox here.";
    }
    RunbookInForce {
        subject: "the kind of incident that it is for";
        outcome: Success;
        facts:
            Always "version" Number: "Its version; the store keeps its text (`runbook show KIND --version N`).";
            Always "digest" Text: "BLAKE3 of its text, in hexadecimal.";
            Always "source" Text: "`built-in`, or `site`: a file of the site's own.";
            Sometimes "before" Number: "The version that was in force before, if there was one.";
            Sometimes "incidents" List: "Open incidents from before runbooks were kept, which go by it from now on.";
    }
};
