"""SEARCH finds text whatever the charset of the mail and of the question.

Arguments: ADDRESS CERTIFICATE READER PASSWORD
"""

import imaplib
import smtplib
import ssl
import sys
from email.header import Header
from email.mime.text import MIMEText

ADDRESS, CERTIFICATE, READER, PASSWORD = sys.argv[1:]
BASE = 20000

LETTERS = [
    # (subject, text, charset): each is found by the words of `FOUND` below.
    ("お知らせ", "明日の会議は十時からです。\r\n", "iso-2022-jp"),
    ("会議室の予約", "第二です。\r\n", "iso-2022-jp"),
    ("Lunch", "Noodles at noon?\r\n", "us-ascii"),
    ("資料", "会議の資料を送ります。\r\n", "utf-8"),
    ("シフトJIS", "次の会議について。\r\n", "shift_jis"),
]

FOUND = [
    ("utf-8", ["TEXT", "会議"], b"1 2 4 5"),
    ("utf-8", ["BODY", "会議"], b"1 4 5"),
    ("utf-8", ["SUBJECT", "会議"], b"2"),
    ("utf-8", ["BODY", "会議の資料"], b"4"),
    ("utf-8", ["BODY", "会議中"], b""),
    ("us-ascii", ["BODY", "NOODLES"], b"3"),
]


def with_crlf(message):
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


with smtplib.SMTP(ADDRESS, BASE + 25, timeout=60) as smtp:
    for subject, text, charset in LETTERS:
        message = MIMEText(text, "plain", charset)
        message["Subject"] = Header(subject, charset)
        message["From"] = "friend@elsewhere.example"
        message["To"] = READER
        smtp.sendmail("friend@elsewhere.example", [READER], with_crlf(message))

context = ssl.create_default_context(cafile=CERTIFICATE)
context.check_hostname = False
with imaplib.IMAP4_SSL(ADDRESS, BASE + 993, ssl_context=context, timeout=60) as imap:
    imap.login(READER, PASSWORD)
    assert imap.select("INBOX")[1] == [str(len(LETTERS)).encode()]
    for charset, (key, words), wanted in FOUND:
        imap.literal = words.encode(charset)
        kind, data = imap.uid("SEARCH", "CHARSET", charset.upper(), key)
        assert kind == "OK", (charset, key, words, kind, data)
        found = data[0] or b""
        assert found == wanted, (charset, key, words, found, wanted)
    kind, data = imap.search("X-UNKNOWN", "TEXT", "abc")
    assert kind == "NO" and b"BADCHARSET" in data[0], (kind, data)
print("all is well")
