"""Reports of DMARC as others make and read them.

make PACKING DOMAIN ID FROM TO   a message with a report, packed by Python's own libraries
read                             the report in the message on standard input, as parsedmarc reads it
"""

import email.message
import gzip
import io
import json
import sys
import zipfile

ROW = """<record><row><source_ip>{source}</source_ip><count>{count}</count><policy_evaluated>
<disposition>{done}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>{domain}</header_from></identifiers>
<auth_results><spf><domain>{domain}</domain><result>{spf}</result></spf></auth_results></record>"""


def xml(domain, name):
    rows = [
        ("192.0.2.1", 7, "none", "pass", "pass"),
        ("198.51.100.9", 3, "reject", "fail", "fail"),
        ("2001:db8::9", 1, "none", "pass", "fail"),
    ]
    rows = "".join(
        ROW.format(source=source, count=count, done=done, dkim=dkim, spf=spf, domain=domain)
        for source, count, done, dkim, spf in rows
    )
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<feedback><report_metadata><org_name>signed.example</org_name><email>noreply@signed.example</email>
<report_id>{name}</report_id><date_range><begin>1790000000</begin><end>1790086399</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><p>reject</p><sp>reject</sp><pct>100</pct></policy_published>{rows}</feedback>"""


def packed(packing, text):
    if packing == "gzip":
        return gzip.compress(text.encode()), "application", "gzip", "r.xml.gz"
    if packing == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("r.xml", text)
        return file.getvalue(), "application", "zip", "r.zip"
    if packing == "bomb":
        return gzip.compress(b"<feedback>" + b" " * (100 << 20)), "application", "gzip", "b.xml.gz"
    if packing == "doctype":
        text = text.replace("<feedback>", '<!DOCTYPE f [<!ENTITY a "b">]><feedback>')
    return text.encode(), "text", "xml", "r.xml"


def make(packing, domain, name, sender, to):
    octets, kind, sub, file = packed(packing, xml(domain, name))
    message = email.message.EmailMessage()
    message["From"], message["To"] = sender, to
    message["Subject"] = f"Report Domain: {domain} Submitter: signed.example Report-ID: <{name}>"
    message["Date"] = "Sat, 28 Nov 2026 01:00:00 +0000"
    message["Message-ID"] = f"<{name}@signed.example>"
    message.set_content("A report.")
    message.add_attachment(octets, maintype=kind, subtype=sub, filename=file)
    sys.stdout.buffer.write(message.as_bytes())


def read():
    import parsedmarc

    parsed = parsedmarc.parse_report_email(sys.stdin.buffer.read(), offline=True)
    print(json.dumps(parsed, default=str))


if sys.argv[1] == "make":
    make(*sys.argv[2:])
else:
    read()
