"""Holds a document on standard input against what its makers publish: csaf, vex or cyclonedx.

The schemas come with packages of PyPI (csaf-lib, cyclonedx-python-lib); csaf-lib has tests of the profile VEX, too.
"""

import importlib.resources
import json
import sys

import jsonschema
from referencing import Registry, Resource


def schema(package, name):
    return json.loads(importlib.resources.files(package).joinpath(name).read_text())


kind = sys.argv[1]
text = sys.stdin.read()
document = json.loads(text)
if kind == "cyclonedx":
    main = schema("cyclonedx.schema._res", "bom-1.6.SNAPSHOT.schema.json")
    others = {
        "http://cyclonedx.org/schema/" + name: schema("cyclonedx.schema._res", name.replace(".schema", ".SNAPSHOT.schema"))
        for name in ["spdx.schema.json", "jsf-0.82.schema.json"]
    }
else:
    main = schema("csaf_lib.verification.schemas", "csaf_2_0.json")
    others = {
        "https://www.first.org/cvss/cvss-v%s.json" % version: schema("csaf_lib.verification.schemas", "cvss_v%s.json" % version.replace(".", "_"))
        for version in ["2.0", "3.0", "3.1"]
    }
registry = Registry().with_resources([(name, Resource.from_contents(other)) for name, other in others.items()])
validator = jsonschema.validators.validator_for(main)(main, registry=registry)
faults = ["%s: %s" % (list(fault.absolute_path), fault.message) for fault in validator.iter_errors(document)]
if kind == "vex":
    from csaf_lib.verification import Verifier

    faults += ["%s: %s" % (failure.test_id, failure.message) for failure in Verifier.from_json(text).run_all().failures]
if faults:
    sys.exit("\n".join(faults))
