"""A site of the real server, for measurements that are written in Python."""

import imaplib
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

DOMAIN = "bench.test"


def nobody_knows(server):
    """A name server that knows no name: the senders' domains of back then say nothing today."""
    while True:
        query, client = server.recvfrom(4096)
        end = 12
        while query[end]:
            end += query[end] + 1
        question = query[12 : end + 5]
        server.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question, client)


class Site:
    """A running server with two accounts."""

    def __init__(self, program, place, names, port_base, settings):
        self.program, self.place, self.base = program, place, port_base
        self.run("init", str(place), "--domain", DOMAIN, "--listen", "127.0.0.1", "--port-base", str(port_base))
        file = place / "kakitome.toml"
        text = file.read_text()
        for section, lines in {**settings, "dns": f'servers = ["127.0.0.1:{names}"]\n'}.items():
            head = f"\n[{section}]\n"
            if head not in text:
                sys.exit(f"kakitome.toml has no [{section}]")
            text = text.replace(head, head + lines, 1)
        file.write_text(text)
        self.log = open(place.with_suffix(".log"), "wb")
        self.process = subprocess.Popen([program, "serve", str(place)], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while True:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("the server does not start:\n" + place.with_suffix(".log").read_text())
            try:
                with socket.socket(socket.AF_UNIX) as control:
                    control.connect(str(place / "run" / "control.sock"))
                break
            except OSError:
                time.sleep(0.05)
        self.passwords = {name: self.account(name) for name in ("good", "junk")}

    def run(self, *words):
        done = subprocess.run([self.program, *words], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def give(self, *words):
        import json

        return [json.loads(line) for line in self.run("-C", str(self.place), "--json", *words).splitlines()]

    def account(self, name):
        self.give("person", "add", name)
        self.give("order", "issue", "--for", name, "--address", f"{name}@{DOMAIN}")
        number = str(self.give("order", "list")[-1]["number"])
        self.give("order", "approve", number)
        return self.give("account", "issue", "--order", number)[0]["password"]

    def holds(self, name):
        """Messages in INBOX and in Junk."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with imaplib.IMAP4_SSL("127.0.0.1", self.base + 993, ssl_context=context) as session:
            session.login(f"{name}@{DOMAIN}", self.passwords[name])
            counts = []
            for mailbox in ("INBOX", "Junk"):
                told = session.status(mailbox, "(MESSAGES)")[1][0]
                counts.append(int(re.search(rb"MESSAGES (\d+)", told)[1]))
            return counts

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def name_server():
    """The port of a name server that runs as long as this program does."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    threading.Thread(target=nobody_knows, args=(names,), daemon=True).start()
    return names.getsockname()[1]


def built():
    """The release of this clone."""
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    target = os.environ.setdefault("CARGO_TARGET_DIR", os.path.expanduser("~/.cache/kakitome/target"))
    subprocess.run(["cargo", "build", "--locked", "--release", "--quiet", "--package", "kakitome"], check=True)
    return f"{target}/release/kakitome"
