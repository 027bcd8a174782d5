"""Kubernetes objects in, what their schemas say against them out."""

from __future__ import annotations

import jsonschema
import pytest

# Objects that an operator adds; no cluster's own schema knows them.
OPERATOR = frozenset({"monitoring.coreos.com/v1"})
VERSIONS = ("1.25", "1.37")  # the oldest that the chart allows, the newest that is known


def check(objects, versions=VERSIONS):
    """Hold objects against the schemas, unknown fields forbidden."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for one in objects:
        if one["apiVersion"] in OPERATOR:
            continue
        for version in versions:
            kubernetes_validate.validate(one, version, strict=True)


def of_kind(objects, kind):
    """Give the only object of a kind."""
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


def container_of(objects):
    """Give the one container of the one workload."""
    (found,) = of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return found


def complaints(values, schema):
    """List what a JSON schema says against values, by the path of each."""
    found = jsonschema.Draft7Validator(schema).iter_errors(values)
    return {"/".join(map(str, one.absolute_path)): one.message for one in found}
