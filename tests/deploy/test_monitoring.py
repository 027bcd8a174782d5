"""Dashboard, alerts and scrape configuration, held against what /metrics really tells."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.library_figures import LibraryFigures
from engine.api.metrics import HttpMeter
from engine.metrics import Meter
from engine.runtime.pool import PoolCounts
from engine.runtime.stats import Tally
from engine.types import Final
from tests.deploy.library import Library

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "quire.json"
RULES = ROOT / "deploy" / "prometheus" / "quire.rules.yaml"
SCRAPE = ROOT / "deploy" / "prometheus" / "prometheus.yml"
# Prometheus itself puts these to every figure that it fetches.
FETCHED = {"job", "instance"}
_WORDS = {
    "sum", "rate", "increase", "by", "le", "topk", "histogram_quantile", "or", "vector", "and",
    "label_values",
}  # fmt: skip
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt install prometheus)",
)


class Worker:
    """A worker that did something."""

    def __init__(self):
        self.tally = Tally()

    def stats(self):
        return self.tally.seen()


def exposed():
    """Give the labels of every figure that /metrics tells, by the figure's name."""
    held = SimpleNamespace(device="cpu", weights_bytes=1, cache_bytes=1, compute_bytes=1)
    running = [SimpleNamespace(entry=SimpleNamespace(name="m"), memory=[held])]
    meter = Meter(lambda: running, PoolCounts)
    worker = Worker()
    meter.watch("m", worker)
    meter.answered("m", final())
    http = HttpMeter("1")
    http.registry.register(LibraryFigures(Library()))
    http.requests.labels("GET", "/x", 200).inc()
    http.seconds.labels("/x").observe(1)
    found = {}
    text = b"".join(generate_latest(one) for one in (http.registry, meter.registry)).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def final():
    """An answer that was given."""
    import dataclasses

    known = {one.name for one in dataclasses.fields(Final)}
    values = {"done_reason": "stop", "total_ns": 10, "generate_ns": 5, "n_generated": 3}
    missing = dataclasses.MISSING
    for one in dataclasses.fields(Final):
        has_default = one.default is not missing or one.default_factory is not missing
        if one.name not in values and not has_default:
            values[one.name] = 0
    return Final(**{name: value for name, value in values.items() if name in known})


@pytest.fixture(scope="module")
def figures():
    return exposed()


def asked_by_the_dashboard():
    shown = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in shown["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in shown["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def asked_by_the_alerts():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def check(expression, figures):
    """Check the names of all figures and labels in an expression of PromQL."""
    bare = re.sub(r'"[^"]*"', '""', expression.replace("$__rate_interval", "5m"))
    names = re.findall(r"\b((?:quire|process)_\w+)", bare)
    assert names or bare.startswith("up{"), expression
    for name in names:
        assert name in figures, f"{name} is not told by /metrics"
    known = set().union(FETCHED, *(figures[name] for name in names))
    for group in re.findall(r"\bby \(([^)]*)\)", bare):
        assert {one.strip() for one in group.split(",")} <= known, expression
    for name, inside in re.findall(r"(\w+)\{([^}]*)\}", bare):
        wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
        assert wanted <= FETCHED | figures.get(name, set()), expression


def test_every_figure_and_label_of_the_dashboard_is_told_by_the_server(figures):
    asked = list(asked_by_the_dashboard())

    assert len(asked) > 30
    for expression in asked:
        check(expression, figures)


def test_every_figure_and_label_of_the_alerts_is_told_by_the_server(figures):
    for expression in asked_by_the_alerts():
        check(expression, figures)


@pytest.mark.parametrize(
    "expression",
    ["sum(rate(quire_invented_total[5m]))", "sum by (colour) (quire_jobs)", 'quire_jobs{who="x"}'],
)
def test_the_check_itself_can_fail(expression, figures):
    with pytest.raises(AssertionError):
        check(expression, figures)


def test_every_figure_of_ours_is_on_the_dashboard(figures):
    shown = DASHBOARD.read_text(encoding="utf-8")

    missing = {
        name
        for name in figures
        if name.startswith("quire_")
        and not name.endswith(("_created", "_sum", "_count"))
        and not re.search(rf"\b{name}\b", shown)
    }

    assert missing <= {"quire_collections", "quire_steps_total", "quire_prefix_cache_entries"}


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    numbers = [one["id"] for one in panels]
    assert len(set(numbers)) == len(numbers)

    taken = set()
    for one in panels:
        at = one["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert at["x"] + at["w"] <= 24, one["title"]
        assert not taken & cells, one["title"]
        taken |= cells


def test_the_dashboard_asks_nobody_but_the_chosen_source():
    text = DASHBOARD.read_text(encoding="utf-8")

    assert "http" not in re.sub(r"quire_http\w+", "", text)
    for panel in json.loads(text)["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${source}"


def test_every_alert_says_what_is_wrong_and_how_bad_it_is():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_prometheus_shows_its_key_from_a_file():
    (job,) = yaml.safe_load(SCRAPE.read_text(encoding="utf-8"))["scrape_configs"]

    assert job["job_name"] == "quire"  # the alerts look for it
    assert job["authorization"]["type"] == "Bearer"
    assert "credentials" not in job["authorization"]
    assert job["authorization"]["credentials_file"].startswith("/")


@needs_promtool
def test_prometheus_takes_rules_and_configuration():
    for command in (
        ["check", "rules", str(RULES)],
        ["check", "config", "--syntax-only", str(SCRAPE)],
    ):
        said = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr + said.stdout


@needs_promtool
def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path):
    panels = [one for one in asked_by_the_dashboard() if not one.startswith("label_values")]
    rules = [
        {"record": f"panel:{i}", "expr": one.replace("$__rate_interval", "5m")}
        for i, one in enumerate(panels)
    ]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "d", "rules": rules}]}), encoding="utf-8")

    said = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stderr + said.stdout
