#!/usr/bin/env python3
"""Makes crates/trail/tests/ocsf/1.3.0.json, by which what `forward::ocsf` writes is checked.

    tools/ocsf.py OCSF_1_3_0 > crates/trail/tests/ocsf/1.3.0.json

OCSF_1_3_0 is the schema of OCSF 1.3.0 as its server exports it (Apache-2.0, the OCSF project; in the Python package ocsf-json-schema 1.2.0 as
ocsf_json_schema/ocsf/1.3.0.json). What is kept of it: of the classes that are written and all objects that they can hold the attributes'
names, types, requirements, permitted values, and constraints; descriptions and what belongs to profiles are left out."""

import json
import sys

CLASSES = [0, 2005, 3001, 3002, 3005, 4009]


def attributes(of):
    kept = {}
    for name, attribute in of["attributes"].items():
        if attribute.get("profile"):
            continue
        one = {"type": attribute.get("object_type") or attribute["type"]}
        for key in ("is_array", "requirement"):
            if attribute.get(key) not in (None, "optional", "recommended"):
                one[key] = attribute[key]
        if "enum" in attribute:
            one["enum"] = sorted(attribute["enum"], key=lambda value: (len(value), value))
        kept[name] = one
    return kept


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    classes = {c["uid"]: c for c in schema["classes"].values() if c["uid"] in CLASSES}
    classes[0] = schema["base_event"]
    kept = {"version": schema["version"], "classes": {}, "objects": {}, "types": {}}
    wanted = []

    def note(name, of):
        one = {"attributes": attributes(of)}
        if of.get("constraints"):
            one["constraints"] = of["constraints"]
        wanted.extend(a["type"] for a in one["attributes"].values())
        return one

    for uid in CLASSES:
        kept["classes"][str(uid)] = note(uid, classes[uid])
    # Objects that are not written are of no use: those within two steps of a class are.
    for _ in range(2):
        for name in sorted(set(wanted) & set(schema["objects"]) - set(kept["objects"])):
            kept["objects"][name] = note(name, schema["objects"][name])
    for name, of in schema["types"].items():
        kept["types"][name] = {key: of[key] for key in ("type", "regex", "max_len", "range") if key in of}
    print(json.dumps(kept, separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main()
