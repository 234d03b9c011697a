"""Signs and verifies mail as others do, with dkimpy: an implementation that nobody here wrote.

sign.py keys DIR                                  makes keys there; prints what to publish, by selector
sign.py dkim DIR SELECTOR DOMAIN ALGORITHM        signs standard input
sign.py arc DIR SELECTOR DOMAIN AUTHSERV-ID       seals standard input, which has results of that AUTHSERV-ID
sign.py verify DIR                                verifies standard input by the TXT records in DIR/zone.json; prints what holds
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

import dkim
import nacl.signing

RSA = {"rsa": 2048, "short": 768}


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


def keys(directory):
    published = {}
    for selector, bits in RSA.items():
        path = directory / selector
        openssl("genrsa", "-traditional", "-out", str(path), str(bits))
        public = openssl("rsa", "-in", str(path), "-pubout", "-outform", "DER")
        published[selector] = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    key = nacl.signing.SigningKey.generate()
    (directory / "ed").write_bytes(base64.b64encode(bytes(key)))
    public = base64.b64encode(bytes(key.verify_key)).decode()
    published["ed"] = "v=DKIM1; k=ed25519; p=" + public
    print(json.dumps(published))


def sign(directory, selector, domain, algorithm, message):
    # A selector may have another's key: "revoked" signs with that of "rsa".
    path = directory / selector
    key = (path if path.exists() else directory / "rsa").read_bytes()
    field = dkim.sign(
        message,
        selector.encode(),
        domain.encode(),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        signature_algorithm=algorithm.encode(),
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
    )
    return field + message


def seal(directory, selector, domain, host, message):
    fields = dkim.arc_sign(
        message,
        selector.encode(),
        domain.encode(),
        (directory / selector).read_bytes(),
        host.encode(),
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id"],
    )
    return b"".join(fields) + message


def verify(directory, message):
    zone = json.loads((directory / "zone.json").read_text())

    def txt(name, timeout=5):
        text = zone.get(name.decode().rstrip("."))
        return text and text.encode()

    whole = dkim.DKIM(message)
    count = sum(1 for name, _ in whole.headers if name.lower() == b"dkim-signature")
    held = []
    for index in range(count):
        one = dkim.DKIM(message)
        try:
            held.append(one.verify(idx=index, dnsfunc=txt))
        except dkim.DKIMException as error:
            held.append(str(error))
    chain, _, reason = dkim.arc_verify(message, dnsfunc=txt)
    told = {"dkim": held, "arc": chain.decode(), "reason": str(reason)}
    return json.dumps(told).encode()


def main():
    verb, directory, *words = sys.argv[1:]
    directory = Path(directory)
    if verb == "keys":
        keys(directory)
        return
    message = sys.stdin.buffer.read()
    work = {"dkim": sign, "arc": seal, "verify": verify}[verb]
    sys.stdout.buffer.write(work(directory, *words, message))


main()
