"""The plain manifests: the chart's default, without Helm."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy import kube
from tests.deploy.helm import objects, render

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
CHART = ROOT / "deploy" / "helm" / "quire"
_HELMS = ("app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy")


def named():
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))


def manifests():
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in named()["resources"]]
    return [one for text in texts for one in yaml.safe_load_all(text)]


def without_helms(value):
    """Take away what only Helm writes."""
    if isinstance(value, list):
        return [without_helms(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: without_helms(one) for key, one in value.items() if key not in _HELMS}
    return {key: one for key, one in kept.items() if key != "annotations" or one}


def test_every_manifest_is_what_kubernetes_takes():
    kube.check(manifests())


def test_the_list_of_manifests_names_every_file():
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(named()["resources"]) == there


def test_they_are_what_the_chart_sends_by_default():
    chart = objects(render(CHART, {"auth": {"existingSecret": "quire-key"}}))

    def by_kind(found):
        return {one["kind"]: without_helms(one) for one in found}

    assert by_kind(manifests()) == by_kind(chart)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_puts_them_together():
    command = ["kubectl", "kustomize", str(FOLDER)]

    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    found = list(yaml.safe_load_all(said))
    assert len(found) == len(manifests())
    assert {one["metadata"]["namespace"] for one in found} == {"quire"}
