"""Messages that dkimpy signs and seals, as they are and altered on the way, with what a verifier has to find.

signers.py SOURCE    SOURCE is the unpacked source of dkimpy, whose keys are used
"""

import base64
import itertools
import json
import sys

source = sys.argv[1]
sys.path.insert(0, source)

import dkim  # noqa: E402

DATA = f"{source}/dkim/tests/data"


def octets(name):
    with open(f"{DATA}/{name}", "rb") as file:
        return file.read()


RSA, ED = octets("2048_testkey.key"), octets("ed25519test.key")
zone = {
    "rsa._domainkey.signer.example": octets("2048_testkey_wo_markers.pub.txt").decode().strip(),
    "ed._domainkey.signer.example": "v=DKIM1; " + octets("ed25519test.dns").decode().strip(),
    # RFC 8463, appendix A.2.
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": octets("test.txt").decode().strip(),
}
for domain in ("one.example", "two.example", "three.example"):
    zone[f"rsa._domainkey.{domain}"] = zone["rsa._domainkey.signer.example"]

HEAD = (
    b"From: Writer <writer@signer.example>\r\n"
    b"To: reader@city.example\r\n"
    b"Subject:  A   folded\r\n\t subject \r\n"
    b"Date: Sat, 28 Nov 2026 01:00:00 +0000\r\n"
    b"X-Twice: first\r\nX-Twice: second\r\n"
    b"Message-ID: <1@signer.example>\r\n"
)
BODIES = {
    "plain": b"Hello.\r\n",
    "empty": b"",
    "blank-end": b"Hello.\r\n\r\n\r\n",
    "spaces": b" two  spaces\t\r\n\ttab \r\nend \r\n",
    "no-end": b"no line end",
    "high": "会議は三時から\r\n".encode(),
    "large": b"x" * 70 + b"\r\n" + b"line of text\r\n" * 6000,
}
cases = []


def case(name, message, **found):
    text = base64.b64encode(message).decode()
    cases.append({"id": name, "message": text, **found})


def signed(selector, message, forms, **more):
    key, algorithm = {"rsa": (RSA, b"rsa-sha256"), "ed": (ED, b"ed25519-sha256")}[selector]
    field = dkim.sign(
        message,
        selector.encode(),
        b"signer.example",
        key,
        canonicalize=forms,
        signature_algorithm=algorithm,
        **more,
    )
    return field + message


FORMS = list(itertools.product((b"simple", b"relaxed"), repeat=2))
for selector, forms, (body, text) in itertools.product(("rsa", "ed"), FORMS, BODIES.items()):
    name = f"{selector} {forms[0].decode()}/{forms[1].decode()} {body}"
    whole = signed(selector, HEAD + b"\r\n" + text, forms)
    case(name, whole, dkim="pass")
    relaxed_head, relaxed_body = (form == b"relaxed" for form in forms)
    if body == "plain":
        case(f"{name}, field added", b"X-New: a\r\n" + whole, dkim="pass")
        case(f"{name}, second From", b"From: x@y.example\r\n" + whole, dkim="fail")
        case(f"{name}, To altered", whole.replace(b"reader@", b"leader@"), dkim="fail")
        case(f"{name}, body altered", whole.replace(b"Hello", b"HellO"), dkim="fail")
        case(f"{name}, more body", whole + b"more\r\n", dkim="fail")
        case(f"{name}, lines at the end", whole + b"\r\n\r\n", dkim="pass")
        found = "pass" if relaxed_body else "fail"
        case(f"{name}, spaces at the end", whole + b" \r\n\t\r\n", dkim=found)
        case(f"{name}, space in the body", whole.replace(b"Hello.\r\n", b"Hello. \r\n"), dkim=found)
        found = "pass" if relaxed_head else "fail"
        refolded = whole.replace(b"A   folded\r\n\t subject ", b"A folded subject")
        case(f"{name}, folded anew", refolded, dkim=found)
        case(f"{name}, case of a name", whole.replace(b"Subject:", b"SUBJECT:"), dkim=found)

message = HEAD + b"\r\nHello.\r\n"
relaxed = (b"relaxed", b"relaxed")
# RFC 6376, section 8.2: what is behind a length is nobody's.
limited = signed("rsa", message, relaxed, length=True)
case("length of the whole", limited, dkim="pass")
case("length, and more", limited + b"more\r\n", dkim="policy")
unsigned = signed("rsa", message, relaxed, include_headers=[b"to", b"from"])
case("fields that are not signed", unsigned.replace(b"A   folded", b"B"), dkim="pass")
case("no such key", signed("rsa", message, relaxed).replace(b"s=rsa;", b"s=gone;"), dkim="permerror")
case("other domain", signed("rsa", message, relaxed).replace(b"d=signer.", b"d=other."), dkim="permerror")
case("none", message, dkim=None)
twice = signed("ed", signed("rsa", message, relaxed), relaxed)
case("two", twice, dkim="pass", more="pass")
# Signed in RFC 8463's and 6376's examples' names, by others.
football = octets("rfc6376.signed.msg").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
case("football", football, dkim="pass", more="pass")
case("football, altered", football.replace(b"hungry", b"angry"), dkim="fail", more="fail")


def sealed(message, domain):
    # What it found of the chain before is what it seals.
    found = b"arc=pass; " if b"ARC-Seal" in message else b""
    results = b"Authentication-Results: " + domain + b"; " + found + b"dmarc=pass header.from=signer.example\r\n"
    fields = dkim.arc_sign(
        results + message, b"rsa", domain, RSA, domain, include_headers=[b"from", b"to", b"subject", b"date"]
    )
    return b"".join(fields) + message


chain = message
for hop, domain in enumerate((b"one.example", b"two.example", b"three.example"), 1):
    chain = sealed(chain, domain)
    case(f"chain of {hop}", chain, arc="pass", sets=hop)
    case(f"chain of {hop}, body altered", chain.replace(b"Hello", b"HellO"), arc="fail")
    case(f"chain of {hop}, subject altered", chain.replace(b"folded", b"wrinkled"), arc="fail")
    case(f"chain of {hop}, results altered", chain.replace(b"dmarc=pass", b"dmarc=none", 1), arc="fail")
    case(f"chain of {hop}, first results altered", b"dmarc=none".join(chain.rsplit(b"dmarc=pass", 1)), arc="fail")
    case(f"chain of {hop}, field added", b"X-New: a\r\n" + chain, arc="pass")
    for instance, kind in itertools.product(range(1, hop + 1), (b"Seal", b"Message-Signature", b"Authentication-Results")):
        lines, kept, dropped = chain.split(b"\r\n"), [], False
        for line in lines:
            if line[:1] not in b" \t" or not line:
                dropped = line.startswith(b"ARC-" + kind + b": i=%d;" % instance)
            if not dropped:
                kept.append(line)
        assert len(kept) < len(lines), (instance, kind)
        case(f"chain of {hop}, {kind.decode()} {instance} gone", b"\r\n".join(kept), arc="fail")
    altered = chain.replace(b"cv=pass", b"cv=none", 1) if hop > 1 else chain.replace(b"cv=none", b"cv=pass")
    case(f"chain of {hop}, cv altered", altered, arc="fail")
case("no chain", message, arc="none")
print(json.dumps({"zone": zone, "cases": cases}))
