#!/usr/bin/env python3
"""Verifies exported volumes of Kakitome's audit trail, and auditors' bundles, with nothing but Python's standard library.

    verify_trail.py --key KEY [--witness FILE] DIRECTORY...

KEY is the public key of the trail (`name+id+key`), or a file with it: as it was noted when the site was set up, not as the
medium has it. DIRECTORY is an exported volume, or a bundle. The formats are described in docs/trail.md; this program
shares nothing with Kakitome but that description.

Exit status: 0 all is what was written, 1 something is not, 2 a directory or the key cannot be read.
"""

import argparse
import base64
import gzip
import hashlib
import json
import os
import re
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


def includes(place, leaf, size, root, path):
    """Whether the path proves that the leaf is at that place of the tree (RFC 9162, section 2.1.3.2)."""
    if place >= size:
        return False
    number, last, found = place, size - 1, leaf
    for beside in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(beside, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, beside)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def begins_with(old, old_root, size, root, path):
    """Whether the path proves that the tree begins with the old one (RFC 9162, section 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not path and old_root == root
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    number, last = old - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = path[0]
    for beside in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(beside, first), node_hash(beside, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, beside)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == root


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
        self.may_be_erased = self.permits_erasure()
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
            if name == "erased.txt" and not os.path.exists(self.path(name)):
                self.faults.append(f"the file {name} is missing")
                continue
            with open(self.path(name), "rb") as file:
                while piece := file.read(1 << 20):
                    found.update(piece)
            if os.path.getsize(self.path(name)) != octets or found.hexdigest() != digest:
                self.faults.append(f"the file {name} is not the one that was signed")
        for name in ("events.gz", "checkpoints.jsonl"):
            if name not in self.manifest["files"]:
                self.faults.append(f"the file {name} is not named in the manifest")

    def permits_erasure(self):
        """Whether a signed note says that this volume was erased, or is to be."""
        name = "erased.txt"
        if not os.path.exists(self.path(name)):
            return False
        if name not in self.manifest["files"]:
            self.faults.append(f"the file {name} is not named in the manifest")
        try:
            with open(self.path(name), encoding="utf-8", newline="") as file:
                lines = self.key.open(file.read(1 << 16)).split("\n")
            told = [f"{line} {self.manifest[line]}" for line in ("origin", "volume", "first", "last")]
            what = ("kakitome erasure certificate 1", "kakitome erasure decision 1")
            if lines[0] in what and lines[1:5] == told:
                return True
        except (Unreadable, OSError, ValueError):
            pass
        self.faults.append(f"the file {name} is no signed note that this volume was erased, or is to be")
        return False

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
                if not self.may_be_erased:
                    self.faults.append(f"the event at place {index} is said to be erased, but no certificate says so")
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


# Bundles.

PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def is_name(name):
    return all(PART.fullmatch(part) for part in name.split("/"))


def read_bundle(directory, key):
    with open(os.path.join(directory, "bundle.txt"), encoding="utf-8") as file:
        text = key.open(file.read())
    lines = text.splitlines()
    if lines[0] != "kakitome audit bundle 1":
        raise Unreadable("it is a bundle of another format")
    said, erased, evidence, files, doubled = {}, [], {}, {}, []
    for line in lines[1:]:
        name, _, value = line.partition(" ")
        parts = value.split(" ")
        if name == "erased" and len(parts) == 3:
            erased.append(tuple(int(part) for part in parts))
        elif name == "evidence" and len(parts) == 3 and is_name(parts[0]):
            evidence[parts[0]] = (int(parts[1]), int(parts[2]))
        elif name == "file" and len(parts) == 3 and is_name(parts[0]):
            if parts[0] in files:
                doubled.append(parts[0])
            files[parts[0]] = (int(parts[1]), parts[2])
        elif name in ("origin", "made", "about", "from", "to", "size", "root") and name not in said:
            said[name] = value
        else:
            raise Unreadable(f"the line {line!r} of its manifest is not understood")
    if said["origin"] != key.name:
        raise Unreadable("it is a bundle of another trail")
    return {
        **{name: said[name] for name in ("made", "about", "from", "to", "origin")},
        "size": int(said["size"]),
        "root": unbase64(said["root"]),
        "erased": erased,
        "evidence": evidence,
        "files": files,
        "doubled": doubled,
    }


class Bundle:
    """A bundle that is being verified. `faults` holds what is wrong, in words."""

    def __init__(self, directory, key, witnesses=()):
        self.directory, self.key = directory, key
        self.manifest = read_bundle(directory, key)
        self.size, self.root = self.manifest["size"], self.manifest["root"]
        self.faults, self.events, self.checkpoints, self.witnesses = [], 0, 0, 0
        # The roots of the trees that were shown to be the beginning of the last.
        self.roots = {self.size: self.root}
        self.faults += [f"the file {name} is named twice" for name in self.manifest["doubled"]]
        self.find_others(directory, "")
        for name in ("checkpoint.txt", "checkpoints.jsonl", "key.txt", *self.manifest["evidence"]):
            if name not in self.manifest["files"]:
                self.faults.append(f"the file {name} is not named in the manifest")
        self.check_checkpoint()
        for name in sorted(self.manifest["files"]):
            self.check_file(name)
        for volume, first, last in self.manifest["erased"]:
            fault = self.erased(volume, first, last)
            if fault:
                self.faults.append(f"the erased volume {volume}: {fault}")
        for note in witnesses:
            size, root = key.checkpoint(note)
            if size in self.roots:
                self.witnesses += 1
                if self.roots[size] != root:
                    self.faults.append(f"the checkpoint over {size} events is false: one that was kept elsewhere: it is of another history")

    def find_others(self, directory, prefix):
        files = self.manifest["files"]
        for entry in os.scandir(directory):
            name = prefix + entry.name
            if entry.is_file(follow_symlinks=False):
                if name not in files and name != "bundle.txt":
                    self.faults.append(f"the file {name} is not named in the manifest")
            elif not entry.is_dir(follow_symlinks=False):
                self.faults.append(f"the file {name} is no plain file")
            elif any(file.startswith(name + "/") for file in files):
                self.find_others(entry.path, name + "/")
            else:
                self.faults.append(f"the file {name} is a folder without any named file")

    def note(self, name):
        """A small file; None when it cannot be read, which is told where files are compared."""
        try:
            with open(os.path.join(self.directory, *name.split("/")), encoding="utf-8", newline="") as file:
                return file.read(1 << 20)
        except (OSError, ValueError):
            return None

    def check_checkpoint(self):
        note, size = self.note("checkpoint.txt"), self.size
        if note is not None:
            try:
                size, root = self.key.checkpoint(note)
                if (size, root) != (self.size, self.root):
                    raise Unreadable("it is not the one that the manifest tells of")
            except Unreadable as error:
                self.faults.append(f"the checkpoint over {size} events is false: checkpoint.txt: {error}")
        key = self.note("key.txt")
        try:
            if key is not None and Key(key).public != self.key.public:
                raise Unreadable("another")
        except Unreadable:
            self.faults.append("the file key.txt has another key than the one that was given")

    def check_file(self, name):
        octets, digest = self.manifest["files"][name]
        found, length = hashlib.sha256(), 0

        def lines(file):
            nonlocal length
            while line := file.readline(1 << 20):
                found.update(line)
                length += len(line)
                yield line

        try:
            with open(os.path.join(self.directory, *name.split("/")), "rb") as file:
                if name in self.manifest["evidence"]:
                    self.read_evidence(name, lines(file))
                elif name == "checkpoints.jsonl":
                    self.read_checkpoints(lines(file))
                # What was not read belongs to the file too.
                for _ in lines(file):
                    pass
        except FileNotFoundError:
            self.faults.append(f"the file {name} is missing")
        except OSError as error:
            self.faults.append(f"the file {name} cannot be read: {error}")
        else:
            if length != octets:
                self.faults.append(f"the file {name} has {length} octets instead of {octets}")
            elif found.hexdigest() != digest:
                self.faults.append(f"the file {name} is not the one that was signed")

    def read_checkpoints(self, lines):
        before = 0
        for line in lines:
            size = None
            try:
                said = json.loads(line)
                size = said["size"]
                told, root = self.key.checkpoint(said["note"])
                if told != size:
                    raise Unreadable(f"it tells of {told} events")
                if not begins_with(told, root, self.size, self.root, [unbase64(hash) for hash in said["path"]]):
                    raise Unreadable("the last checkpoint does not begin with it")
                if told <= before:
                    raise Unreadable("it stands where it cannot: put in, or moved")
                before = told
                self.roots[told] = root
                self.checkpoints += 1
            except (Unreadable, ValueError, KeyError, TypeError) as error:
                self.faults.append(f"the checkpoint over {size} events is false: {error}")

    def read_evidence(self, name, lines):
        number, last = 0, (-1, -1)
        for number, line in enumerate(lines, 1):
            self.events += 1
            parsed = parse_proved(line)
            if parsed is None:
                self.faults.append(f"{name}: line {number} is no event")
                continue
            place, salt, path, event, told = parsed
            leaf = leaf_hash(hashlib.sha256(salt + event).digest())
            if not includes(place, leaf, self.size, self.root, path):
                self.faults.append(f"{name}: event {told} is not what was written at place {place}")
            elif told <= last[0] or place <= last[1]:
                self.faults.append(f"{name}: event {told}, at place {place}, stands where it cannot: put in, or moved")
            else:
                last = (told, place)
        wanted = self.manifest["evidence"][name][0]
        if number != wanted:
            self.faults.append(f"the file {name} has {number} events instead of {wanted}")

    def erased(self, volume, first, last):
        """What is wrong with what is said of an erased volume."""
        note = self.note(f"erased/volume-{volume}.txt")
        if note is None:
            return "its certificate is missing"
        try:
            lines = self.key.open(note).splitlines()
        except Unreadable as error:
            return f"its certificate: {error}"
        said = dict(line.split(" ", 1) for line in lines[1:] if " " in line)
        told = [said.get(name) for name in ("origin", "volume", "first", "last")]
        if lines[0] != "kakitome erasure certificate 1" or told != [self.key.name, str(volume), str(first), str(last)]:
            return "its certificate is of something else"
        if last in self.roots and self.roots[last].hex() != said.get("root"):
            return "its certificate is of another history"
        return None


def parse_proved(line):
    """Place, salt, path, event and its number of a line of evidence; None when it is none."""
    parts = line.split(b"\t", 3)
    if len(parts) != 4 or not line.endswith(b"\n"):
        return None
    try:
        path = [] if parts[2] == b"-" else [unbase64(hash.decode()) for hash in parts[2].split(b",")]
        salt, event = bytes.fromhex(parts[1].decode()), parts[3][:-1]
        number = number_of(event)
        return None if number is None else (int(parts[0]), salt, path, event, number)
    except (ValueError, Unreadable):
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


def show_volume(volume):
    told = volume.manifest
    print(
        f"{volume.directory}: volume {told['volume']} of {told['origin']}, {told['from']} to {told['to']}: "
        f"{volume.events} events, {volume.erased} erased, {len(volume.checkpoints)} checkpoints"
    )


def show_bundle(bundle):
    told = bundle.manifest
    print(
        f"{bundle.directory}: bundle of {told['origin']} ({told['about']}), {told['from']} to {told['to']}, made {told['made']}: "
        f"{len(told['files'])} files, {bundle.events} events, {bundle.checkpoints} checkpoints"
    )
    left_out = sum(left for _, left in told["evidence"].values())
    if left_out:
        print(f"  {left_out} events were left out of it: there were more than was permitted")
    for volume, first, last in told["erased"]:
        print(f"  volume {volume}, {last - first} events, was erased on an officer's decision: nothing of it can be here")


def main(words):
    description = "Verifies exported volumes of Kakitome's audit trail, and auditors' bundles."
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--key", required=True, help="the public key of the trail, or a file with it")
    parser.add_argument("--witness", action="append", default=[], help="a file with a checkpoint that was kept elsewhere")
    parser.add_argument("directory", nargs="+", help="the directory of an exported volume, or of a bundle")
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
        volumes, bundles = [], []
        for directory in said.directory:
            if os.path.exists(os.path.join(directory, "bundle.txt")):
                found = Bundle(directory, key, witnesses)
                bundles.append(found)
                show_bundle(found)
            else:
                begins_with = read_manifest(directory, key)["tree"].root()
                found = Volume(directory, key, witnesses)
                found.begins_with = begins_with
                volumes.append(found)
                show_volume(found)
            for fault in found.faults or ["is what was written"]:
                print(f"  {fault}")
            faults += len(found.faults)
    except (Unreadable, OSError, KeyError, ValueError) as error:
        print(f"cannot be verified: {error}", file=sys.stderr)
        return 2
    for fault in between(volumes):
        print(fault)
        faults += 1
    if witnesses and not any(found.witnesses for found in volumes + bundles):
        print("the checkpoint that was kept elsewhere ends in none of these: it was compared with nothing")
        faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
