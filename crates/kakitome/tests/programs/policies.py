"""Serves policies (MTA-STS) over HTTPS at port 443 of an address, by the host that is asked for: policies.py ADDRESS CERTIFICATE KEY FILE.

FILE is JSON: host -> [status, media type, text]; it is read for each request. Each request is told on standard output. What is posted is
written into FILE's directory, as "posted", if the host's text says "take".
"""

import http.server
import json
import os
import ssl
import sys

address, certificate, key, file = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers.get("Host", "")
        print(host, self.path, flush=True)
        with open(file, encoding="utf-8") as told:
            found = json.load(told).get(host)
        if found is None or self.path != "/.well-known/mta-sts.txt":
            found = [404, "text/plain", "no policy"]
        status, kind, text = found
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status in (301, 302):
            self.send_header("Location", "https://mta-sts.good.example/.well-known/mta-sts.txt")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        host = self.headers.get("Host", "")
        print(host, "POST", self.path, self.headers.get("Content-Type"), flush=True)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(file, encoding="utf-8") as told:
            status, _, text = json.load(told).get(host, [404, "", ""])
        if text == "take":
            with open(os.path.join(os.path.dirname(file), "posted"), "wb") as posted:
                posted.write(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer((address, 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
