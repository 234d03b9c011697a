"""The types of a message's parts, and what they hold, as Python's mail modules see them."""

import email
import email.policy
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(message.get_content_type(), message.get_param("report-type", ""))
if message.defects:
    sys.exit(f"defects: {message.defects}")
for part in message.iter_parts():
    print(part.get_content_type())
    # Python takes a message/* part for a message within.
    content = part.get_payload()
    print(content[0].as_string() if isinstance(content, list) else content)
