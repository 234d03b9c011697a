"""Tests of verify_trail.py: of its parts by published vectors, and of the whole by volumes made here."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import tempfile
import unittest

import verify_trail as v

# RFC 8032, section 7.1: public key, message, signature.
SIGNATURES = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

SECRET = bytes(range(32))
NAME = "mail.example/trail-1"


def encode(point):
    inverse = pow(point[2], v.P - 2, v.P)
    x, y = point[0] * inverse % v.P, point[1] * inverse % v.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def sign(secret, message):
    """RFC 8032, section 5.1.6. For tests: its time depends on the secret."""
    digest = hashlib.sha512(secret).digest()
    number = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public = encode(v.point_times(number, v.BASE))
    nonce = int.from_bytes(hashlib.sha512(digest[32:] + message).digest(), "little") % v.Q
    first = encode(v.point_times(nonce, v.BASE))
    challenge = int.from_bytes(hashlib.sha512(first + public + message).digest(), "little") % v.Q
    return public, first + ((nonce + challenge * number) % v.Q).to_bytes(32, "little")


def vkey(name=NAME, secret=SECRET):
    key = b"\1" + sign(secret, b"")[0]
    told = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex()
    return f"{name}+{told}+{base64.b64encode(key).decode()}"


def note(text, secret=SECRET):
    key = v.Key(vkey(secret=secret))
    signature = key.id + sign(secret, text.encode())[1]
    return f"{text}\n\u2014 {NAME} {base64.b64encode(signature).decode()}\n"


def base(octets):
    return base64.b64encode(octets).decode()


class Maker:
    """Makes a volume of events `first` to `last`, by the description of the format alone."""

    def __init__(self, directory, first=3, last=12):
        self.directory = directory
        tree, self.lines, self.notes = v.Tree(), [], []
        for index in range(last):
            event = json.dumps({"id": 1000 + index, "subject": "会議"}, ensure_ascii=False).encode()
            salt = bytes([index] * 16)
            leaf = v.leaf_hash(hashlib.sha256(salt + event).digest())
            if index == first:
                before = [base(part) for part in tree.parts]
                self.begins_with = tree.root()
            tree.push(leaf)
            if index >= first:
                self.lines.append(b"\t".join([str(index).encode(), salt.hex().encode(), leaf.hex().encode(), event]) + b"\n")
            if index in (first + 3, last - 1):
                told = note(f"{NAME}\n{tree.size}\n{base(tree.root())}\n")
                self.notes.append({"size": tree.size, "at": "2026-11-01T00:00:00Z", "note": told})
        self.root = tree.root()
        self.first, self.last = first, last
        self.head = ["kakitome audit volume 1", f"origin {NAME}", "volume 2", f"first {first}", f"last {last}"]
        self.head += [f"{name} 2026-11-01T00:00:00Z" for name in ("from", "to", "sealed", "retain-until")]
        self.head += [f"before {part}" for part in before]
        self.write()
        self.write_manifest()

    def write(self):
        with gzip.open(os.path.join(self.directory, "events.gz"), "wb") as file:
            file.writelines(self.lines)
        with open(os.path.join(self.directory, "checkpoints.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(told) + "\n" for told in self.notes)

    def write_manifest(self, secret=SECRET, more=()):
        lines = self.head + [f"root {base(self.root)}"]
        for name in ("events.gz", "checkpoints.jsonl", *more):
            with open(os.path.join(self.directory, name), "rb") as file:
                octets = file.read()
            lines.append(f"file {name} {len(octets)} {hashlib.sha256(octets).hexdigest()}")
        with open(os.path.join(self.directory, "volume.txt"), "w", encoding="utf-8") as file:
            file.write(note("\n".join(lines) + "\n", secret))

    def permit(self, what, volume=2, secret=SECRET):
        """Puts a note into the volume which says that it was erased."""
        text = f"{what}\norigin {NAME}\nvolume {volume}\nfirst {self.first}\nlast {self.last}\n"
        with open(os.path.join(self.directory, "erased.txt"), "w", encoding="utf-8") as file:
            file.write(note(text, secret))
        self.write_manifest(more=["erased.txt"])

    def found(self, witnesses=()):
        return v.Volume(self.directory, v.Key(vkey()), witnesses).faults


def root_of(leaves):
    tree = v.Tree()
    for leaf in leaves:
        tree.push(leaf)
    return tree.root()


def split(size):
    return 1 << (size - 1).bit_length() - 1


def path_of(place, leaves):
    """RFC 9162, section 2.1.3.1."""
    if len(leaves) <= 1:
        return []
    half = split(len(leaves))
    if place < half:
        return [*path_of(place, leaves[:half]), root_of(leaves[half:])]
    return [*path_of(place - half, leaves[half:]), root_of(leaves[:half])]


def growth_of(old, leaves, known=True):
    """RFC 9162, section 2.1.4.1."""
    if old == len(leaves):
        return [] if known else [root_of(leaves)]
    half = split(len(leaves))
    if old <= half:
        return [*growth_of(old, leaves[:half], known), root_of(leaves[half:])]
    return [*growth_of(old - half, leaves[half:], False), root_of(leaves[:half])]


def event_of(place):
    return json.dumps({"id": 1000 + place, "subject": "会議"}, ensure_ascii=False).encode()


class BundleMaker:
    """Makes a bundle over eleven events, the first four of them erased, by the description of the format alone."""

    EVENTS = "evidence/4.2-3/events.tsv"
    WRITTEN = {}

    def __init__(self, directory):
        self.directory = directory
        salts = [bytes([place + 1] * 16) for place in range(11)]
        self.leaves = [v.leaf_hash(hashlib.sha256(salt + event_of(place)).digest()) for place, salt in enumerate(salts)]
        self.lines = []
        for place in (4, 5, 7, 10):
            path = ",".join(base(beside) for beside in path_of(place, self.leaves)) or "-"
            self.lines.append(b"\t".join([str(place).encode(), salts[place].hex().encode(), path.encode(), event_of(place)]) + b"\n")
        self.told = [self.checkpoint(self.leaves, size) for size in (4, 7, 11)]
        root = root_of(self.leaves[:4]).hex()
        head = ["kakitome erasure certificate 1", f"origin {NAME}", "volume 1", "first 0", "last 4", f"root {root}"]
        self.texts = {
            "README.md": "read me\n",
            "key.txt": vkey() + "\n",
            "checkpoint.txt": self.told[2]["note"],
            "erased/volume-1.txt": self.signed("\n".join(head) + "\n"),
        }
        self.write()
        self.sign()

    def signed(self, text, secret=SECRET):
        """A note; each is signed once, since that takes its time here."""
        if (text, secret) not in self.WRITTEN:
            self.WRITTEN[text, secret] = note(text, secret)
        return self.WRITTEN[text, secret]

    def checkpoint(self, leaves, size, secret=SECRET):
        text = f"{NAME}\n{size}\n{base(root_of(leaves[:size]))}\n"
        path = [base(beside) for beside in growth_of(size, leaves)]
        return {"size": size, "at": "2026-11-01T00:00:00Z", "note": self.signed(text, secret), "path": path}

    def put(self, name, octets):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(octets)

    def write(self):
        for name, text in self.texts.items():
            self.put(name, text.encode())
        self.put(self.EVENTS, b"".join(self.lines))
        self.put("checkpoints.jsonl", "".join(json.dumps(told) + "\n" for told in self.told).encode())

    def sign(self, more=()):
        lines = ["kakitome audit bundle 1", f"origin {NAME}", "about clause 4.2-3", "size 11", f"root {base(root_of(self.leaves))}"]
        lines += [f"{name} 2026-11-01T00:00:00Z" for name in ("made", "from", "to")]
        lines += ["erased 1 0 4", f"evidence {self.EVENTS} 4 2", *more]
        for name in (*self.texts, self.EVENTS, "checkpoints.jsonl"):
            with open(os.path.join(self.directory, name), "rb") as file:
                octets = file.read()
            lines.append(f"file {name} {len(octets)} {hashlib.sha256(octets).hexdigest()}")
        self.put("bundle.txt", self.signed("\n".join(lines) + "\n").encode())

    def found(self, witnesses=()):
        return v.Bundle(self.directory, v.Key(vkey()), witnesses).faults


class Parts(unittest.TestCase):
    def test_every_place_and_every_beginning_is_proved_and_no_other(self):
        leaves = [v.leaf_hash(bytes([number])) for number in range(23)]
        other = v.leaf_hash(b"other")
        for size in range(1, 23):
            tree = leaves[:size]
            root = root_of(tree)
            for place in range(size):
                path = path_of(place, tree)
                self.assertTrue(v.includes(place, tree[place], size, root, path))
                self.assertFalse(v.includes(place, other, size, root, path))
                self.assertFalse(v.includes(place + 1, tree[place], size, root, path))
                self.assertFalse(v.includes(place, tree[place], size, root, [*path, other]))
            for old in range(1, size + 1):
                path = growth_of(old, tree)
                self.assertTrue(v.begins_with(old, root_of(tree[:old]), size, root, path))
                self.assertFalse(v.begins_with(old, other, size, root, path))
                self.assertFalse(v.begins_with(old, root_of(tree[:old]), size, root, [*path, other]))
        self.assertFalse(v.begins_with(0, v.EMPTY, 3, root_of(leaves[:3]), []))


    def test_signatures_of_the_rfc(self):
        for public, message, signature in SIGNATURES:
            public, message, signature = (bytes.fromhex(text) for text in (public, message, signature))
            self.assertTrue(v.is_signed(public, message, signature))
            self.assertFalse(v.is_signed(public, message + b"x", signature))
            self.assertFalse(v.is_signed(public, message, signature[:32] + bytes(32)))

    def test_a_signature_with_a_number_too_large_is_false(self):
        public, message, signature = (bytes.fromhex(text) for text in SIGNATURES[0])
        number = int.from_bytes(signature[32:], "little") + v.Q
        self.assertFalse(v.is_signed(public, message, signature[:32] + number.to_bytes(32, "little")))

    def test_keys_and_notes_of_other_programs(self):
        text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        self.assertEqual(v.Key(text).name, "PeterNeumann")
        for bad in ("", "a+b", text.replace("c74f", "c74e"), text.replace("+AR", "+Ag")):
            with self.assertRaises(v.Unreadable):
                v.Key(bad)

    def test_roots_of_other_implementations(self):
        tree = v.Tree()
        leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
        for leaf in leaves:
            tree.push(v.leaf_hash(bytes.fromhex(leaf)))
        self.assertEqual(tree.root().hex(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
        self.assertEqual(v.Tree().root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class Volumes(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.maker = Maker(place.name)

    def changed(self, change):
        change(self.maker.lines)
        self.maker.write()
        faults = self.maker.found()
        self.assertIn("the file events.gz is not the one that was signed", faults)
        return faults[1:]

    def test_what_was_written_is_whole(self):
        self.assertEqual(self.maker.found(), [])
        self.assertEqual(self.maker.found([self.maker.notes[0]["note"]]), [])

    def test_a_changed_event_is_named(self):
        def change(lines):
            lines[2] = lines[2].replace("会議".encode(), "会計".encode())

        self.assertEqual(self.changed(change), ["event 1005, at place 5, was changed"])

    def test_a_removed_event_is_named(self):
        faults = self.changed(lambda lines: lines.pop(2))
        self.assertEqual(faults[0], "the event at place 5 was removed")
        self.assertEqual(faults[1], "the events from place 3 to place 7 are not those that were signed")

    def test_a_line_put_in_or_moved_is_named(self):
        faults = self.changed(lambda lines: lines.insert(2, lines[1]))
        self.assertEqual(faults, ["a line for place 4 stands where it cannot: put in, or moved"])
        self.maker.lines.pop(2)
        faults = self.changed(lambda lines: lines.reverse())
        self.assertIn("a line for place 10 stands where it cannot: put in, or moved", faults)

    def test_an_end_that_was_cut_off_is_named(self):
        faults = self.changed(lambda lines: lines.__delitem__(slice(7, None)))
        self.assertIn("the event at place 10 was removed", faults)
        self.assertIn("the events from place 7 to place 12 are not those that were signed", faults)

    def test_an_event_changed_with_its_leaf_is_found_by_the_checkpoint(self):
        def change(lines):
            event, salt = b'{"id":1005}', bytes(16)
            leaf = v.leaf_hash(hashlib.sha256(salt + event).digest())
            lines[2] = b"\t".join([b"5", salt.hex().encode(), leaf.hex().encode(), event]) + b"\n"

        faults = self.changed(change)
        self.assertEqual(faults, ["the events from place 3 to place 7 are not those that were signed"])

    def test_erased_events_prove_the_others(self):
        parts = self.maker.lines[2].split(b"\t")
        self.maker.lines[2] = b"\t".join([parts[0], b"-", parts[2], b"-\n"])
        self.maker.write()
        for what in ("certificate", "decision"):
            self.maker.permit(f"kakitome erasure {what} 1")
            volume = v.Volume(self.maker.directory, v.Key(vkey()))
            self.assertEqual((volume.faults, volume.erased, volume.events), ([], 1, 8))

    def test_an_event_that_no_certificate_covers_is_not_erased(self):
        parts = self.maker.lines[2].split(b"\t")
        self.maker.lines[2] = b"\t".join([parts[0], b"-", parts[2], b"-\n"])
        self.maker.write()
        self.maker.write_manifest()
        uncovered = "the event at place 5 is said to be erased, but no certificate says so"
        self.assertEqual(self.maker.found(), [uncovered])
        none = "the file erased.txt is no signed note that this volume was erased, or is to be"
        # Another volume's, that of another key, and one that is none.
        for said in ({"volume": 3}, {"secret": bytes(32)}, {"what": "kakitome audit volume 1"}):
            self.maker.permit(**{"what": "kakitome erasure certificate 1", **said})
            self.assertEqual(self.maker.found(), [none, uncovered])
        self.maker.permit("kakitome erasure certificate 1")
        os.remove(os.path.join(self.maker.directory, "erased.txt"))
        self.assertEqual(self.maker.found(), ["the file erased.txt is missing", uncovered])

    def test_a_replaced_checkpoint_is_found(self):
        self.maker.notes[0]["note"] = self.maker.notes[1]["note"]
        self.maker.write()
        self.maker.write_manifest()
        self.assertEqual(self.maker.found(), ["the checkpoint over 7 events is false: it tells of 12 events"])

    def test_a_forked_history_is_found_by_a_checkpoint_kept_elsewhere(self):
        witness = note(f"{NAME}\n7\n{base(bytes(32))}\n")
        faults = self.maker.found([witness])
        self.assertEqual(len(faults), 1)
        self.assertIn("are not those that were signed", faults[0])

    def test_a_manifest_of_another_key_is_refused(self):
        self.maker.write_manifest(secret=bytes(32))
        with self.assertRaises(v.Unreadable):
            self.maker.found()

    def test_the_command_says_how_it_ended(self):
        def run(*words):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                return v.main(["--key", vkey(), *words]), out.getvalue() + err.getvalue()

        ended, said = run(self.maker.directory)
        self.assertEqual(ended, 0, said)
        self.assertIn("9 events", said)
        with tempfile.TemporaryDirectory() as later:
            Maker(later, 12, 15)
            self.assertEqual(run(self.maker.directory, later)[0], 0)
        with tempfile.TemporaryDirectory() as later:
            Maker(later, 13, 15)
            ended, said = run(self.maker.directory, later)
            self.assertEqual(ended, 1)
            self.assertIn("the events from place 12 to place 13 are not here", said)
        self.assertEqual(run("/nowhere")[0], 2)
        with open(os.path.join(self.maker.directory, "events.gz"), "ab") as file:
            file.write(b"x")
        self.assertEqual(run(self.maker.directory)[0], 1)


class Bundles(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.maker = BundleMaker(place.name)

    def changed(self, change):
        """What is found when the evidence is changed and the key signs it all the same."""
        lines = list(self.maker.lines)
        change(self.maker.lines)
        self.maker.write()
        self.maker.sign()
        self.maker.lines = lines
        return self.maker.found()

    def test_what_was_signed_is_whole(self):
        bundle = v.Bundle(self.maker.directory, v.Key(vkey()), [self.maker.told[1]["note"]])
        self.assertEqual((bundle.faults, bundle.events, bundle.checkpoints, bundle.witnesses), ([], 4, 3, 1))

    def test_a_file_that_is_changed_missing_or_more_is_named(self):
        path = os.path.join(self.maker.directory, "README.md")
        self.maker.put("README.md", b"read mE\n")
        self.assertEqual(self.maker.found(), ["the file README.md is not the one that was signed"])
        os.remove(path)
        os.symlink("key.txt", path)
        os.mkdir(os.path.join(self.maker.directory, "empty"))
        self.maker.put("evidence/more.txt", b"")
        faults = self.maker.found()
        for fault in (
            "the file README.md is no plain file",
            "the file empty is a folder without any named file",
            "the file evidence/more.txt is not named in the manifest",
        ):
            self.assertIn(fault, faults)
        os.remove(path)
        self.assertIn("the file README.md is missing", self.maker.found())

    def test_an_event_that_was_not_written_so_is_named(self):
        name = self.maker.EVENTS

        def other(lines):
            lines[1] = lines[1].replace("会議".encode(), "会計".encode())

        def moved(lines):
            lines[0], lines[1] = lines[1], lines[0]

        def of_another(lines):
            lines[1] = lines[1].replace(event_of(5), event_of(7))

        def put_elsewhere(lines):
            lines[0] = b"6" + lines[0][1:]

        def cut(lines):
            lines[3] = lines[3][:-1]

        for change, fault in (
            (other, f"{name}: event 1005 is not what was written at place 5"),
            (of_another, f"{name}: event 1007 is not what was written at place 5"),
            (put_elsewhere, f"{name}: event 1004 is not what was written at place 6"),
            (moved, f"{name}: event 1004, at place 4, stands where it cannot: put in, or moved"),
            (lambda lines: lines.pop(), f"the file {name} has 3 events instead of 4"),
            (cut, f"{name}: line 4 is no event"),
        ):
            self.assertEqual(self.changed(change), [fault])

    def test_a_checkpoint_that_is_replaced_is_named(self):
        forked = [*self.maker.leaves]
        forked[2] = v.leaf_hash(b"forked")
        kept = self.maker.checkpoint(forked, 7)["note"]
        self.assertEqual(
            self.maker.found([kept]), ["the checkpoint over 7 events is false: one that was kept elsewhere: it is of another history"]
        )
        self.maker.told[0] = self.maker.checkpoint(forked, 4)
        self.maker.write()
        self.maker.sign()
        faults = self.maker.found()
        self.assertEqual(faults, ["the checkpoint over 4 events is false: the last checkpoint does not begin with it"])
        self.maker.told[0] = self.maker.checkpoint(self.maker.leaves, 4)
        self.maker.texts["checkpoint.txt"] = self.maker.checkpoint(self.maker.leaves, 11, bytes(32))["note"]
        self.maker.write()
        self.maker.sign()
        faults = self.maker.found()
        self.assertEqual(len(faults), 1)
        self.assertIn("the checkpoint over 11 events is false: checkpoint.txt", faults[0])

    def test_a_certificate_of_something_else_is_named(self):
        text = self.maker.texts["erased/volume-1.txt"].split("\n\n")[0] + "\n"
        for old, new, fault in (
            ("last 4", "last 5", "its certificate is of something else"),
            ("root ", "root 0", "its certificate is of another history"),
        ):
            self.maker.texts["erased/volume-1.txt"] = self.maker.signed(text.replace(old, new))
            self.maker.write()
            self.maker.sign()
            self.assertEqual(self.maker.found(), [f"the erased volume 1: {fault}"])

    def test_a_manifest_that_cannot_be_meant_is_refused(self):
        for more in ("more 1", "size 11", "file ../x 0 00", "file .x 0 00", "file a//b 0 00"):
            self.maker.sign([more])
            with self.assertRaises(v.Unreadable):
                self.maker.found()

    def test_the_command_says_how_it_ended(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(v.main(["--key", vkey(), self.maker.directory]), 0)
        self.assertIn("2 events were left out of it", out.getvalue())
        self.assertIn("volume 1, 4 events, was erased", out.getvalue())
        self.maker.put("more", b"")
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(v.main(["--key", vkey(), self.maker.directory]), 1)


if __name__ == "__main__":
    unittest.main()
