"""Python's smtplib, imaplib and poplib against a site: address, certificate, and two people.

Arguments: ADDRESS CERTIFICATE SENDER PASSWORD READER PASSWORD
"""

import hashlib
import imaplib
import poplib
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email import message_from_bytes, policy

ADDRESS, CERTIFICATE, SENDER, SENDER_PASSWORD, READER, READER_PASSWORD = sys.argv[1:]
BASE = 20000


def context():
    """Trusts the site's certificate; the address is no name in it, so names are not compared."""
    made = ssl.create_default_context(cafile=CERTIFICATE)
    made.check_hostname = False
    return made


def letter(subject, text, attachment=None):
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = READER
    message["Bcc"] = "hidden@elsewhere.example"
    message["Subject"] = subject
    message.set_content(text)
    if attachment is not None:
        message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename="資料.bin")
    return message


def submit():
    with smtplib.SMTP(ADDRESS, BASE + 587, timeout=60) as smtp:
        smtp.ehlo("client.example")
        assert not smtp.has_extn("auth"), "AUTH before TLS"
        smtp.starttls(context=context())
        smtp.ehlo("client.example")
        assert smtp.has_extn("auth") and smtp.has_extn("size") and smtp.has_extn("dsn"), smtp.esmtp_features
        smtp.login(SENDER, SENDER_PASSWORD)
        # send_message would take Bcc out by itself: the server is asked to.
        smtp.sendmail(SENDER, [READER], letter("one", "first text\r\n").as_bytes(policy=policy.SMTP))
    blob = bytes(range(256)) * 4000
    with smtplib.SMTP_SSL(ADDRESS, BASE + 465, timeout=60, context=context()) as smtp:
        smtp.login(SENDER, SENDER_PASSWORD)
        smtp.sendmail(SENDER, [READER], letter("二", "二通目\r\n", blob).as_bytes(policy=policy.SMTP))
        try:
            smtp.sendmail("other@city.example", [READER], b"From: other@city.example\r\n\r\nforged\r\n")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            assert 500 <= error.smtp_code < 600, error
        else:
            raise AssertionError("a forged sender was accepted")
        try:
            smtp.sendmail(SENDER, ["nobody@city.example"], b"From: " + SENDER.encode() + b"\r\n\r\n")
        except smtplib.SMTPRecipientsRefused as error:
            assert error.recipients["nobody@city.example"][0] == 550, error
        else:
            raise AssertionError("an unknown recipient was accepted")
    return hashlib.sha256(blob).hexdigest()


def read_by_imap(blob_digest):
    with imaplib.IMAP4_SSL(ADDRESS, BASE + 993, ssl_context=context(), timeout=60) as imap:
        imap.login(READER, READER_PASSWORD)
        for wanted in ("IMAP4REV1", "IDLE", "UIDPLUS", "MOVE", "CONDSTORE", "SORT", "THREAD=REFERENCES"):
            assert wanted in imap.capabilities, (wanted, imap.capabilities)
        ok(imap.create("Projects/2026"))
        ok(imap.subscribe("Projects/2026"))
        names = [line.decode() for line in ok(imap.list())]
        assert any("Projects/2026" in name for name in names), names
        assert ok(imap.select("INBOX")) == [b"2"]
        assert ok(imap.search(None, "SUBJECT", "one")) == [b"1"]
        header = ok(imap.fetch("1", "(RFC822.HEADER)"))[0][1]
        first = message_from_bytes(header)
        assert first["Bcc"] is None, "Bcc was left in"
        assert first["Date"] and first["Message-ID"], header
        second = message_from_bytes(ok(imap.fetch("2", "(BODY.PEEK[])"))[0][1], policy=policy.default)
        assert second["Subject"] == "二", second["Subject"]
        part = next(second.iter_attachments())
        assert hashlib.sha256(part.get_content()).hexdigest() == blob_digest
        ok(imap.store("1", "+FLAGS", r"(\Flagged $Work)"))
        assert ok(imap.search(None, "FLAGGED", "KEYWORD", "$Work")) == [b"1"]
        ok(imap.uid("COPY", ok(imap.uid("SEARCH", "FLAGGED"))[0], "Projects/2026"))
        ok(imap.append("Projects/2026", r"(\Seen)", None, b"Subject: appended\r\n\r\nfrom Python\r\n"))
        assert ok(imap.sort("(REVERSE SUBJECT)", "UTF-8", "ALL"))[0].split() != []
        assert ok(imap.thread("REFERENCES", "UTF-8", "ALL"))
        assert ok(imap.select("Projects/2026", readonly=True)) == [b"2"]
        ok(imap.close())
        ok(imap.rename("Projects/2026", "Archive-2026"))
        assert ok(imap.status("Archive-2026", "(MESSAGES UNSEEN)"))[0].endswith(b"(MESSAGES 2 UNSEEN 1)")
        assert ok(imap.select("INBOX")) == [b"2"]
        ok(imap.store("1", "+FLAGS", r"(\Deleted)"))
        assert ok(imap.expunge()) == [b"1"]
        ok(imap.delete("Archive-2026"))
    with imaplib.IMAP4(ADDRESS, BASE + 143, timeout=60) as imap:
        assert "LOGINDISABLED" in imap.capabilities, imap.capabilities
        imap.starttls(ssl_context=context())
        imap.authenticate("PLAIN", lambda _: f"\0{READER}\0{READER_PASSWORD}".encode())
        assert ok(imap.select("INBOX", readonly=True)) == [b"1"]


def read_by_pop3(blob_digest):
    pop = poplib.POP3(ADDRESS, BASE + 110, timeout=60)
    assert "STLS" in pop.capa(), pop.capa()
    pop.stls(context=context())
    pop.user(READER)
    pop.pass_(READER_PASSWORD)
    assert pop.stat()[0] == 1
    second = poplib.POP3_SSL(ADDRESS, BASE + 995, timeout=60, context=context())
    second.user(READER)
    try:
        second.pass_(READER_PASSWORD)
    except poplib.error_proto as error:
        assert b"[IN-USE]" in error.args[0], error
    else:
        raise AssertionError("two sessions on one maildrop")
    second.close()
    _, lines, _ = pop.retr(1)
    message = message_from_bytes(b"\r\n".join(lines) + b"\r\n", policy=policy.default)
    assert hashlib.sha256(next(message.iter_attachments()).get_content()).hexdigest() == blob_digest
    _, top, _ = pop.top(1, 0)
    assert top[-1] == b"" and len(top) < len(lines), top[-3:]
    _, uidl, _ = pop.uidl()
    assert len(uidl) == 1
    pop.dele(1)
    pop.rset()
    pop.dele(1)
    pop.quit()
    pop = poplib.POP3_SSL(ADDRESS, BASE + 995, timeout=60, context=context())
    pop.user(READER)
    pop.pass_(READER_PASSWORD)
    assert pop.stat() == (0, 0), pop.stat()
    pop.quit()


def ok(answer):
    kind, data = answer
    assert kind == "OK", answer
    return data


blob = submit()
read_by_imap(blob)
read_by_pop3(blob)
print("all is well")
