"""Submits messages by smtplib over several sessions at once: HOST PORT CERTIFICATE IDENTIFIER SESSIONS MESSAGES TO.

The password comes on standard input. Prints how many were taken, and each refusal once.
"""

import smtplib
import ssl
import sys
import threading

host, port, certificate, identifier, sessions, messages, to = sys.argv[1:]
password = sys.stdin.read().strip()
context = ssl.create_default_context(cafile=certificate)
context.check_hostname = False
ready = threading.Barrier(int(sessions))
lock = threading.Lock()
taken = 0
refused = set()


def submit(number):
    global taken
    with smtplib.SMTP_SSL(host, int(port), context=context) as server:
        server.login(identifier, password)
        ready.wait()
        for count in range(int(messages)):
            text = (
                f"From: <{identifier}>\r\nTo: <{to}>\r\nSubject: {number}.{count}\r\n"
                f"Message-ID: <{number}.{count}@many.example>\r\n\r\nmany\r\n"
            )
            try:
                server.sendmail(identifier, [to], text)
                with lock:
                    taken += 1
            except smtplib.SMTPException as error:
                replies = getattr(error, "recipients", {}).values() or [error.args[:2]]
                with lock:
                    refused.update(f"{code} {text.decode()}" for code, text in replies)


threads = [threading.Thread(target=submit, args=(number,)) for number in range(int(sessions))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("taken", taken)
for line in sorted(refused):
    print(line)
