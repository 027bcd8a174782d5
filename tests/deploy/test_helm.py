"""The chart: what it sends out for various values, held against the Kubernetes schemas."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy import kube
from tests.deploy.helm import ChartError, laid_over, objects, render

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "quire"
KEY = "qk_abcdEF12_" + "a" * 43
SECRET = {"auth": {"existingSecret": "my-key"}}
CASES = {
    "default": {"auth": {"adminKey": KEY}},
    "existing secret": SECRET,
    "gpu": {
        **SECRET,
        "gpu": {"enabled": True, "count": 2, "runtimeClassName": "nvidia"},
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    },
    "ingress with tls": {
        **SECRET,
        "ingress": {"enabled": True, "className": "nginx", "tlsSecretName": "kb-tls"},
        "trustedProxies": "10.0.0.0/8",
        "config": {"OLLAMA_NUM_PARALLEL": 2, "QUIRE_OFFLINE": True},
    },
    "everything": {
        **SECRET,
        "persistence": {
            "models": {"enabled": True},
            "data": {"storageClass": "fast", "annotations": {"a": "b"}},
        },
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
        "podDisruptionBudget": {"enabled": True},
        "networkPolicy": {
            "registries": {"enabled": True},
            "from": [{"podSelector": {}}],
            "extraEgress": [{"ports": [{"port": 2049}]}],
        },
        "extraVolumes": [{"name": "papers", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "papers", "mountPath": "/papers", "readOnly": True}],
        "extraEnv": [{"name": "QUIRE_WATCH", "value": "/papers"}],
        "podLabels": {"team": "a"},
        "podAnnotations": {"note": "b"},
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}],
        "service": {"annotations": {"c": "d"}},
        "serviceAccount": {"annotations": {"e": "f"}},
    },
    "as little as possible": {
        **SECRET,
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "fullnameOverride": "other",
        "persistence": {"data": {"existingClaim": "mine"}},
    },
}


def sent(case):
    return objects(render(CHART, CASES[case]))


def env_of(found):
    return {one["name"]: one["value"] for one in kube.container_of(found)["env"]}


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_what_kubernetes_takes(case):
    kube.check(sent(case))


@pytest.mark.parametrize("case", CASES)
def test_the_values_keep_to_their_own_schema(case):
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert kube.complaints(laid_over(defaults, CASES[case]), schema) == {}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"replicas": 2}, ""),
        ({"auth": {"adminKey": "secret"}}, "auth/adminKey"),
        ({"config": {"PATH": "/bin"}}, "config"),
        ({"service": {"port": "11434"}}, "service/port"),
        ({"persistence": {"data": {"size": "much"}}}, "persistence/data/size"),
        ({"gpu": {"enabled": "yes"}}, "gpu/enabled"),
    ],
)
def test_wrong_values_are_refused_by_the_schema(values, path):
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

    assert list(kube.complaints(values, schema)) == [path]


def test_every_default_is_described_by_the_schema():
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert set(schema["properties"]) - {"global"} == set(defaults)
    assert kube.complaints(defaults, schema) == {}


def test_without_a_key_nothing_is_sent_and_the_way_is_told():
    with pytest.raises(ChartError, match=r"new_key\.sh"):
        render(CHART, {})


def test_a_given_key_becomes_a_secret_and_an_existing_one_does_not():
    (made,) = [one for one in sent("default") if one["kind"] == "Secret"]
    assert made["stringData"] == {"admin-key": KEY}

    assert not [one for one in sent("existing secret") if one["kind"] == "Secret"]


@pytest.mark.parametrize("case", CASES)
def test_the_pod_holds_no_privilege_and_its_key_comes_as_a_file(case):
    found = sent(case)
    pod = kube.of_kind(found, "StatefulSet")["spec"]["template"]["spec"]
    container = kube.container_of(found)
    mounts = {one["name"]: one for one in container["volumeMounts"]}

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert mounts["key"]["readOnly"] is True
    assert env_of(found)["QUIRE_ADMIN_KEY_FILE"] == mounts["key"]["mountPath"] + "/admin_key"
    assert KEY not in json.dumps([one for one in found if one["kind"] != "Secret"])


def test_stopping_takes_longer_than_the_grace():
    found = sent("default")
    pod = kube.of_kind(found, "StatefulSet")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] >= int(env_of(found)["QUIRE_GRACE_S"]) + 15


def test_the_probes_ask_what_each_is_about():
    container = kube.container_of(sent("default"))

    asked = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }

    assert asked == {
        "startupProbe": "/readyz",
        "readinessProbe": "/readyz",
        "livenessProbe": "/healthz",
    }


def test_a_gpu_brings_its_image_its_limit_and_its_nodes():
    found = sent("gpu")
    pod = kube.of_kind(found, "StatefulSet")["spec"]["template"]["spec"]
    container = kube.container_of(found)

    assert container["image"].endswith("-cuda")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert pod["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.present": "true"}
    assert {one["key"] for one in pod["tolerations"]} == {"dedicated", "nvidia.com/gpu"}
    assert pod["runtimeClassName"] == "nvidia"
    assert "nvidia.com/gpu" not in kube.container_of(sent("default"))["resources"]["limits"]


def test_the_ingress_streams_and_its_host_is_known_to_the_server():
    found = sent("ingress with tls")
    ingress = kube.of_kind(found, "Ingress")

    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert ingress["spec"]["tls"] == [{"hosts": ["kb.example.org"], "secretName": "kb-tls"}]
    assert env_of(found)["QUIRE_HOSTS"] == "kb.example.org"
    assert env_of(found)["FORWARDED_ALLOW_IPS"] == "10.0.0.0/8"


def test_by_default_the_pod_may_only_ask_the_dns_and_only_its_port_is_open():
    rules = kube.of_kind(sent("default"), "NetworkPolicy")["spec"]

    assert rules["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in rules["egress"] for port in rule["ports"]] == [53, 53]
    (to,) = rules["egress"][0]["to"]
    assert to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert rules["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]


def test_a_pod_that_reaches_no_registry_does_not_try_unless_told_to():
    told = objects(render(CHART, {**SECRET, "config": {"QUIRE_OFFLINE": "0"}}))

    assert env_of(sent("default"))["QUIRE_OFFLINE"] == "1"
    assert "QUIRE_OFFLINE" not in env_of(sent("everything"))
    assert "QUIRE_OFFLINE" not in env_of(sent("as little as possible"))
    assert env_of(told)["QUIRE_OFFLINE"] == "0"


@pytest.mark.parametrize("case", CASES)
def test_no_variable_is_set_twice(case):
    names = [one["name"] for one in kube.container_of(sent(case))["env"]]

    assert len(set(names)) == len(names)


def test_registries_are_let_through_but_not_the_networks_of_the_house():
    rules = kube.of_kind(sent("everything"), "NetworkPolicy")["spec"]

    block = rules["egress"][1]["to"][0]["ipBlock"]

    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(block["except"])


def test_uninstalling_deletes_no_documents():
    claims = [one for one in sent("everything") if one["kind"] == "PersistentVolumeClaim"]

    assert len(claims) == 2
    for claim in claims:
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_monitor_shows_a_key_and_asks_the_right_port():
    (endpoint,) = kube.of_kind(sent("everything"), "ServiceMonitor")["spec"]["endpoints"]

    assert endpoint["path"] == "/metrics"
    assert endpoint["port"] == "http"
    assert endpoint["authorization"]["credentials"] == {"name": "my-key", "key": "admin-key"}


def test_the_dashboard_in_the_chart_is_the_one_of_the_repository():
    shown = kube.of_kind(sent("everything"), "ConfigMap")["data"]["quire.json"]

    assert json.loads(shown) == json.loads(
        (ROOT / "deploy" / "grafana" / "quire.json").read_text(encoding="utf-8")
    )


def test_the_notes_name_the_address_and_the_secret():
    plain = render(CHART, CASES["default"])["NOTES.txt"]
    ingress = render(CHART, CASES["ingress with tls"])["NOTES.txt"]

    assert "port-forward svc/quire 11434:11434" in plain
    assert "Secret quire-key" in plain
    assert "https://kb.example.org/ui/" in ingress


def test_the_chart_tells_the_version_of_the_program():
    from app.version import VERSION

    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert about["appVersion"] == VERSION


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
@pytest.mark.parametrize("case", CASES)
def test_helm_itself_sends_the_same(case, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(CASES[case]), encoding="utf-8")
    command = ["helm", "template", "quire", str(CHART), "--namespace", "quire", "-f", str(values)]

    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def by_name(found):
        return {(one["kind"], one["metadata"]["name"]): one for one in found}

    assert by_name(one for one in yaml.safe_load_all(said) if one) == by_name(sent(case))
