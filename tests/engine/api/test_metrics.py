import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from engine.api.metrics import Counted, HttpMeter, metrics_router
from engine.metrics import Meter
from engine.runtime.pool import PoolCounts


@pytest.fixture
def meter():
    return HttpMeter("1.2.3")


@pytest.fixture
def client(meter):
    app, inside = FastAPI(), FastAPI()
    app.add_middleware(Counted, meter=meter)
    app.include_router(metrics_router(Meter(list, PoolCounts), meter))

    @app.post("/api/blobs/{digest}")
    def blob(digest: str) -> Response:
        return Response(digest, 201)

    @app.get("/fails")
    def fails() -> Response:
        raise RuntimeError("no")

    @inside.get("/page/{number}")
    def page(number: int) -> int:
        return number

    app.mount("/ui", inside)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def counted(meter, method, route, status):
    labels = {"method": method, "route": route, "status": str(status)}
    return meter.registry.get_sample_value("quire_http_requests_total", labels)


def test_requests_are_counted_by_the_template_of_their_route(client, meter):
    for number in range(3):
        client.post(f"/api/blobs/sha256:{number}")

    assert counted(meter, "POST", "/api/blobs/{digest}", 201) == 3


def test_paths_that_nobody_has_share_one_label(client, meter):
    for number in range(50):
        client.get(f"/guess/{number}")
    client.request("WHATEVER", "/guess")

    assert counted(meter, "GET", "none", 404) == 50
    assert counted(meter, "other", "none", 404) == 1


def test_what_is_mounted_shares_one_label_too(client, meter):
    client.get("/ui/page/1")
    client.get("/ui/page/2")
    client.get("/ui/nothing")

    text = client.get("/metrics").text
    assert "page/1" not in text
    assert "nothing" not in text


def test_a_route_that_fails_is_counted_as_500(client, meter):
    client.get("/fails")

    assert counted(meter, "GET", "/fails", 500) == 1


def test_the_text_is_what_prometheus_reads(client):
    from prometheus_client.parser import text_string_to_metric_families

    client.get("/fails")
    answer = client.get("/metrics")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}

    assert answer.headers["content-type"].startswith("text/plain")
    assert families["quire_build"].samples[0].labels["version"] == "1.2.3"
    assert {"quire_http_requests", "quire_model_loads", "quire_models_loaded"} <= set(families)
