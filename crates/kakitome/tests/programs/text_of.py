"""Prints the subject and the text of a message that comes on standard input."""

import email
import email.policy
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
sys.stdout.buffer.write(f"{message['subject']}\n{message.get_content()}".encode())
