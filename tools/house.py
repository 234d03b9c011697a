#!/usr/bin/env python3
"""House rules that the compiler does not check: the direction of dependencies between rooms, the licences
of what we depend on, the size of files, and whose time zone is asked for. Each message says how to mend what it names."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A room may use those named here, and nothing else of ours.
ROOMS = {
    "world": set(),
    "wire": set(),
    "message": set(),
    "trail": set(),
    "malware": {"message"},
    "engines": set(),
    "scanner": {"malware", "message"},
    # Its own program: nothing else of ours may link the engine.
    "yara": {"malware", "scanner"},
    "probe": {"world"},
    "regulation": set(),
    "advisory": set(),
    "traffic": set(),
    "protocol": {"message"},
    "store": {"world", "trail", "message"},
    "directory": {"world", "wire", "trail", "message", "protocol", "store"},
    "screening": {"world", "wire", "message", "malware", "engines"},
    "transfer": {
        "world", "wire", "trail", "message", "protocol", "store", "directory", "screening", "malware", "engines",
    },
    "retrieval": {"world", "wire", "trail", "message", "protocol", "store", "directory"},
    "console": {"world", "wire", "message", "protocol", "store", "directory", "transfer"},
    "governance": {"world", "trail", "message", "store", "directory", "regulation", "advisory", "traffic"},
    "simulation": {
        "world", "wire", "trail", "message", "protocol", "store", "directory", "transfer", "retrieval",
    },
    "bench": {"world", "trail", "message", "store"},
    "kakitome": {
        "world", "wire", "trail", "message", "protocol", "store", "directory", "screening", "transfer", "retrieval",
        "console", "malware", "scanner", "yara", "probe", "engines", "regulation", "advisory", "traffic", "governance",
    },
    "fuzz": {"message", "protocol", "probe", "kakitome", "malware", "scanner", "engines", "advisory"},
}
# The one registry that code may come from, in the words of Cargo.lock, however cargo reaches it.
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
LONGEST_FILE = 700
# Where the machine's time zone is asked for: the site's when it names none, and what a clamd beside us writes.
MACHINE_ZONE = {"crates/kakitome/src/settings/regulation.rs", "crates/malware/src/clamd.rs"}
CLAUSE = re.compile(r"[Cc]lauses? (\d+\.\d+)(?:\((\d+)\))?")


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    data = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    # The lock file also names what no feature of ours switches on; only what is built counts.
    tree = ["cargo", "tree", "--locked", "--workspace", "--target", "all", "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(tree, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    built = {tuple(line.split()[:2]) for line in lines if line}
    data["packages"] = [p for p in data["packages"] if (p["name"], "v" + p["version"]) in built]
    return data


def directions(data):
    members = set(data["workspace_members"])
    for package in data["packages"]:
        if package["id"] not in members:
            continue
        allowed = ROOMS.get(package["name"])
        if allowed is None:
            yield (
                f"tools/house.py does not know the room {package['name']}: say in ROOMS which rooms it may use, and "
                "in ARCHITECTURE.md what it is for"
            )
            continue
        for dependency in package["dependencies"]:
            name = dependency["name"]
            if name in ROOMS and name not in allowed and dependency["kind"] != "dev":
                yield (
                    f"room {package['name']} depends on {name}, which it may not: move the code to the room "
                    "where it belongs, or change ARCHITECTURE.md and tools/house.py with the reason"
                )


def satisfied(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def either():
        nonlocal position
        value = both()
        while position < len(tokens) and tokens[position].upper() == "OR":
            position += 1
            value = both() or value
        return value

    def both():
        nonlocal position
        value = one()
        while position < len(tokens) and tokens[position].upper() == "AND":
            position += 1
            value = one() and value
        return value

    def one():
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            value = either()
            position += 1
            return value
        if position < len(tokens) and tokens[position].upper() == "WITH":
            token = f"{token} WITH {tokens[position + 1]}"
            position += 2
        return token in allowed

    return either()


def licences(data):
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    banned = {entry["crate"] for entry in rules["bans"]["deny"]}
    for package in data["packages"]:
        name = f"{package['name']} {package['version']}"
        if package["name"] in banned:
            yield f"{name} is banned in deny.toml: find what pulls it in with `cargo tree -i {package['name']}`"
        expression = package["license"]
        if not expression:
            yield f"{name} names no licence: choose another crate"
        elif not satisfied(expression, allowed):
            yield f"{name} is under {expression}, which deny.toml does not allow: choose another crate"


def sources():
    """Where the locked crates come from: our own folders, or the one registry, as deny.toml has it."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    for package in lock["package"]:
        source = package.get("source")
        if source not in {None, REGISTRY}:
            yield (
                f"{package['name']} {package['version']} comes from {source}, which deny.toml does not allow: "
                "take a released version of it"
            )


def sizes():
    for path in sorted([*ROOT.glob("crates/**/*.rs"), *ROOT.glob("bench/**/*.rs")]):
        count = len(path.read_text().splitlines())
        if count > LONGEST_FILE:
            yield f"{path.relative_to(ROOT)} has {count} lines: divide it by what its parts are for"


def clauses():
    known = set(re.findall(r"^\| (\d+\.\d+)", (ROOT / "docs/clauses.md").read_text(), re.M))
    for path in sorted(ROOT.glob("crates/**/*.rs")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for found in CLAUSE.finditer(line):
                if found[1] not in known:
                    yield f"{path.relative_to(ROOT)}:{number}: there is no clause {found[1]}; see docs/clauses.md"


def zones():
    for path in sorted(ROOT.glob("crates/*/src/**/*.rs")):
        if str(path.relative_to(ROOT)) in MACHINE_ZONE:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"TimeZone::(system|try_system)\b|Zoned::now\b", line):
                yield (
                    f"{path.relative_to(ROOT)}:{number}: people are told of times in the organisation's zone, not the machine's: "
                    "take that of the settings ([regulation] time_zone)"
                )


def main():
    data = metadata()
    faults = [*directions(data), *licences(data), *sources(), *sizes(), *clauses(), *zones()]
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


main()
