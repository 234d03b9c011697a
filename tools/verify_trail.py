#!/usr/bin/env python3
"""Verifies an exported volume of Kakitome's audit trail with nothing but Python's standard library.

    verify_trail.py --key KEY [--witness FILE] VOLUME...

KEY is the public key of the trail (`name+id+key`), or a file with it: as it was noted when the site was set up, not as the
medium has it. VOLUME is the directory of an exported volume. The format is described in docs/trail.md; this program
shares nothing with Kakitome but that description.

Exit status: 0 all is what was written, 1 something is not, 2 the volume or the key cannot be read.
"""

import argparse
import base64
import gzip
import hashlib
import json
import os
import sys
import zlib

EMPTY = hashlib.sha256().digest()


class Unreadable(Exception):
    """The volume, a note or the key cannot be understood."""


# Ed25519 (RFC 8032, section 5.1), to verify only: no secret is handled, so time may vary.

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def point_add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        number >>= 1
    return result


def same_point(one, two):
    return (one[0] * two[2] - two[0] * one[2]) % P == 0 and (one[1] * two[2] - two[1] * one[2]) % P == 0


def point_from(octets):
    """The point that 32 octets stand for; None when they stand for none."""
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0 or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = point_from((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public, message, signature):
    """Whether the Ed25519 signature of the message is that of the public key."""
    key, nonce = point_from(public), point_from(signature[:32])
    number = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or nonce is None or number >= Q:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % Q
    return same_point(point_times(number, BASE), point_add(nonce, point_times(challenge, key)))


# Signed notes (C2SP signed-note) and checkpoints (C2SP tlog-checkpoint).


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unreadable(f"not base64: {text!r}") from error


class Key:
    """The public key of a trail."""

    def __init__(self, text):
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Unreadable("a key has the form name+id+key")
        self.name, told, key = parts[0], parts[1], unbase64(parts[2])
        if len(key) != 33 or key[0] != 1:
            raise Unreadable("it is no Ed25519 key")
        self.public = key[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        if self.id.hex() != told:
            raise Unreadable("the id of the key is not that of its name and key")

    def open(self, note):
        """The text of a note that this key signed."""
        text, found, signatures = note.rpartition("\n\n")
        if not found or not signatures.endswith("\n"):
            raise Unreadable("it is no signed note")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014":
                raise Unreadable("a line of its signatures is none")
            signature = unbase64(parts[2])
            if parts[1] == self.name and signature[:4] == self.id:
                if is_signed(self.public, text.encode(), signature[4:]):
                    return text
                raise Unreadable(f"its signature of {self.name} is false")
        raise Unreadable(f"it bears no signature of {self.name}")

    def checkpoint(self, note):
        """Size and root that a checkpoint tells of."""
        lines = self.open(note).split("\n")
        if len(lines) < 4 or lines[0] != self.name or not lines[1].isdigit():
            raise Unreadable("it is no checkpoint of this trail")
        return int(lines[1]), unbase64(lines[2])


# The Merkle tree (RFC 9162, section 2.1.1).


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """The right edge of a growing tree: the roots of its full subtrees, the largest first."""

    def __init__(self, size=0, parts=()):
        if size.bit_count() != len(parts):
            raise Unreadable("the tree before the volume has the wrong number of parts")
        self.size, self.parts = size, list(parts)

    def push(self, leaf):
        size = self.size
        while size & 1:
            leaf = node_hash(self.parts.pop(), leaf)
            size >>= 1
        self.parts.append(leaf)
        self.size += 1

    def root(self):
        if not self.parts:
            return EMPTY
        root = self.parts[-1]
        for part in reversed(self.parts[:-1]):
            root = node_hash(part, root)
        return root


# Volumes.


def read_manifest(directory, key):
    with open(os.path.join(directory, "volume.txt"), encoding="utf-8") as file:
        text = key.open(file.read())
    lines = text.splitlines()
    if lines[0] != "kakitome audit volume 1":
        raise Unreadable("it is a volume of another format")
    said, before, files = {}, [], {}
    for line in lines[1:]:
        name, _, value = line.partition(" ")
        if name == "before":
            before.append(unbase64(value))
        elif name == "file":
            file, octets, digest = value.split(" ")
            files[file] = (int(octets), digest)
        elif name in said:
            raise Unreadable(f"its manifest says {name} twice")
        else:
            said[name] = value
    if said["origin"] != key.name:
        raise Unreadable("it is a volume of another trail")
    return {
        **said,
        "volume": int(said["volume"]),
        "first": int(said["first"]),
        "last": int(said["last"]),
        "root": unbase64(said["root"]),
        "tree": Tree(int(said["first"]), before),
        "files": files,
    }


class Volume:
    """A volume that is being verified. `faults` holds what is wrong, in words."""

    def __init__(self, directory, key, witnesses=()):
        self.directory, self.key = directory, key
        self.manifest = read_manifest(directory, key)
        self.faults, self.events, self.erased = [], 0, 0
        self.checkpoints, self.witnesses = [], 0
        self.right, self.wrong = self.manifest["first"], None
        self.check_files()
        self.read_checkpoints()
        for note in witnesses:
            size, root = key.checkpoint(note)
            if self.manifest["first"] < size <= self.manifest["last"]:
                self.witnesses += 1
            self.checkpoints.append((size, root))
        self.read_events()

    def path(self, name):
        return os.path.join(self.directory, name)

    def check_files(self):
        for name, (octets, digest) in self.manifest["files"].items():
            if os.path.basename(name) != name:
                raise Unreadable(f"{name!r} is no name of a file")
            found = hashlib.sha256()
            with open(self.path(name), "rb") as file:
                while piece := file.read(1 << 20):
                    found.update(piece)
            if os.path.getsize(self.path(name)) != octets or found.hexdigest() != digest:
                self.faults.append(f"the file {name} is not the one that was signed")
        for name in ("events.gz", "checkpoints.jsonl"):
            if name not in self.manifest["files"]:
                self.faults.append(f"the file {name} is not named in the manifest")

    def read_checkpoints(self):
        with open(self.path("checkpoints.jsonl"), encoding="utf-8", errors="replace") as file:
            for line in file:
                size = None
                try:
                    said = json.loads(line)
                    size = said["size"]
                    told, root = self.key.checkpoint(said["note"])
                    if told != size:
                        raise Unreadable(f"it tells of {told} events")
                    self.checkpoints.append((told, root))
                except (Unreadable, ValueError, KeyError, TypeError) as error:
                    self.faults.append(f"the checkpoint over {size} events is false: {error}")

    def read_events(self):
        self.checkpoints.sort()
        tree, last_event = self.manifest["tree"], None
        position = 0

        def grow(leaf):
            nonlocal position
            tree.push(leaf)
            while position < len(self.checkpoints) and self.checkpoints[position][0] <= tree.size:
                size, root = self.checkpoints[position]
                position += 1
                if size == tree.size and self.wrong is None:
                    if root == tree.root():
                        self.right = size
                    else:
                        self.wrong = size

        def gone(until):
            while tree.size < until:
                self.faults.append(f"the event at place {tree.size} was removed")
                grow(bytes(32))

        for number, line in enumerate(self.lines(), 1):
            parsed = parse(line)
            if parsed is None:
                self.faults.append(f"line {number} of the events is none")
                continue
            index, salt, leaf, event = parsed
            if index < tree.size or index >= self.manifest["last"]:
                self.faults.append(f"a line for place {index} stands where it cannot: put in, or moved")
                continue
            gone(index)
            if salt is None:
                self.erased += 1
            else:
                self.events += 1
                told = number_of(event)
                if leaf_hash(hashlib.sha256(salt + event).digest()) != leaf or told is None:
                    self.faults.append(f"event {told}, at place {index}, was changed")
                elif last_event is not None and told <= last_event:
                    self.faults.append(f"a line for place {index} stands where it cannot: put in, or moved")
                last_event = told if told is not None else last_event
            grow(leaf)
        gone(self.manifest["last"])
        if tree.root() != self.manifest["root"] and self.wrong is None:
            self.wrong = self.manifest["last"]
        if self.wrong is not None:
            self.faults.append(f"the events from place {self.right} to place {self.wrong} are not those that were signed")
        self.root = tree.root()

    def lines(self):
        with gzip.open(self.path("events.gz")) as file:
            try:
                for line in file:
                    yield line
            except (EOFError, OSError, zlib.error) as error:
                self.faults.append(f"the file events.gz cannot be read to its end: {error}")


def parse(line):
    """Place, salt (None: erased), leaf and event of a line; None when it is none."""
    parts = line.split(b"\t", 3)
    if len(parts) != 4 or not line.endswith(b"\n"):
        return None
    try:
        salt = None if parts[1] == b"-" else bytes.fromhex(parts[1].decode())
        return int(parts[0]), salt, bytes.fromhex(parts[2].decode()), parts[3][:-1]
    except ValueError:
        return None


def number_of(event):
    try:
        return int(json.loads(event)["id"])
    except (ValueError, KeyError, TypeError):
        return None


def between(volumes):
    """What does not fit where one volume ends and the next begins."""
    volumes = sorted(volumes, key=lambda volume: volume.manifest["first"])
    for one, two in zip(volumes, volumes[1:]):
        end, begin = one.manifest, two.manifest
        names = f"volume {end['volume']} and volume {begin['volume']}"
        if end["last"] != begin["first"]:
            yield f"between {names}, the events from place {end['last']} to place {begin['first']} are not here"
        elif end["root"] != two.begins_with:
            yield f"{names} are of different histories"


def main(words):
    parser = argparse.ArgumentParser(description="Verifies exported volumes of Kakitome's audit trail.")
    parser.add_argument("--key", required=True, help="the public key of the trail, or a file with it")
    parser.add_argument("--witness", action="append", default=[], help="a file with a checkpoint that was kept elsewhere")
    parser.add_argument("volume", nargs="+", help="the directory of an exported volume")
    said = parser.parse_args(words)
    faults = 0
    try:
        text = said.key
        if os.path.exists(text):
            with open(text, encoding="utf-8") as file:
                text = file.read()
        key = Key(text)
        witnesses = []
        for path in said.witness:
            with open(path, encoding="utf-8") as file:
                witnesses.append(file.read())
        volumes = []
        for directory in said.volume:
            begins_with = read_manifest(directory, key)["tree"].root()
            volume = Volume(directory, key, witnesses)
            volume.begins_with = begins_with
            volumes.append(volume)
            told = volume.manifest
            print(
                f"{directory}: volume {told['volume']} of {told['origin']}, {told['from']} to {told['to']}: "
                f"{volume.events} events, {volume.erased} erased, {len(volume.checkpoints)} checkpoints"
            )
            for fault in volume.faults or ["is what was written"]:
                print(f"  {fault}")
            faults += len(volume.faults)
    except (Unreadable, OSError, KeyError, ValueError) as error:
        print(f"cannot be verified: {error}", file=sys.stderr)
        return 2
    for fault in between(volumes):
        print(fault)
        faults += 1
    if witnesses and not any(volume.witnesses for volume in volumes):
        print("the checkpoint that was kept elsewhere ends in none of these volumes: it was compared with nothing")
        faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
