"""Reports about TLS (RFC 8460) as others make and read them.

make PACKING DOMAIN ID FROM TO   a message with a report, packed by Python's own libraries
read                             the report in the message on standard input, as parsedmarc reads it
unpack                           what is in the gzip file on standard input
"""

import email.message
import gzip
import json
import sys


def report(domain, name):
    policy = {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": domain, "mx-host": "*.city.example"}
    failed = [
        {"result-type": "certificate-expired", "receiving-mx-hostname": "mail.city.example", "receiving-ip": "192.0.2.7",
         "sending-mta-ip": "198.51.100.1", "failed-session-count": 3, "failure-reason-code": "X509\u0007 code"},
        {"result-type": "starttls-not-supported", "receiving-mx-hostname": "mx2.city.example", "failed-session-count": 1},
    ]
    applied = {"policy": policy, "summary": {"total-successful-session-count": 7, "total-failure-session-count": 4},
               "failure-details": failed}
    return {
        "organization-name": "Other Ltd",
        "date-range": {"start-datetime": "2026-11-27T00:00:00Z", "end-datetime": "2026-11-27T23:59:59Z"},
        "contact-info": "tls@signed.example",
        "report-id": name,
        "policies": [applied],
    }


def made(packing, domain, name):
    told = report(domain, name)
    if packing == "lie":
        told["policies"][0]["failure-details"][0]["failed-session-count"] = 10**9
    if packing == "many":
        told["policies"] *= 3000
    text = json.dumps(told).encode()
    if packing == "bomb":
        text = b"[" * 10 + b" " * (100 << 20)
    if packing == "deep":
        text = b'{"policies":' + b"[" * 1_000_000
    if packing == "json":
        return text, "tlsrpt+json", "r.json"
    return gzip.compress(text), "tlsrpt+gzip", "r.json.gz"


def make(packing, domain, name, sender, to):
    octets, sub, file = made(packing, domain, name)
    message = email.message.EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = f"Report Domain: {domain} Submitter: signed.example Report-ID: <{name}>"
    message["TLS-Report-Domain"], message["TLS-Report-Submitter"] = domain, "signed.example"
    message["Date"] = "Sat, 28 Nov 2026 01:00:00 +0000"
    message["Message-ID"] = f"<{name}@signed.example>"
    message.set_content("A report.")
    message.add_attachment(octets, maintype="application", subtype=sub, filename=file)
    sys.stdout.buffer.write(message.as_bytes())


def read():
    import parsedmarc

    parsed = parsedmarc.parse_report_email(sys.stdin.buffer.read(), offline=True)
    print(json.dumps(parsed, default=str))


if sys.argv[1] == "make":
    make(*sys.argv[2:])
elif sys.argv[1] == "unpack":
    print(gzip.decompress(sys.stdin.buffer.read()).decode())
else:
    read()
