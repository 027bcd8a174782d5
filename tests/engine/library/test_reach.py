"""Which registries may be spoken to: by table, over a real loopback server, after redirects."""

from __future__ import annotations

import socket

import httpcore
import pytest

from engine.errors import EngineError, RegistryError
from engine.library.reach import ANYWHERE, Reach, is_inside
from engine.library.registry import pull, push
from engine.library.store import Library
from tests.engine.library.hub import QUICK, fetch

OUTSIDE_ONLY = Reach(is_inside_allowed=False)


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("0.0.0.0", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("::1", True),
        ("::", True),
        ("[::1]", True),
        ("fe80::1%eth0", True),
        ("fc00::1", True),
        ("ff02::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::7f00:1", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:7f00:1::", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::808:808", False),
        ("registry.example", False),
    ],
)
def test_addresses_of_this_machine_and_its_networks_are_known(address, is_ours):
    assert is_inside(address) is is_ours


@pytest.mark.parametrize(
    ("listed", "host", "port", "is_named"),
    [
        ((), "hub.example", None, False),
        (("hub.example",), "HUB.example", None, True),
        (("hub.example",), "hub.example", 5000, True),
        (("hub.example:5000",), "hub.example", 5000, True),
        (("hub.example:5000",), "hub.example", 5001, False),
        (("hub.example",), "evil-hub.example", None, False),
        (("hub.example",), "hub.example.evil.org", None, False),
        (("",), "", None, False),
    ],
)
def test_settings_name_registries_by_host_or_host_and_port(listed, host, port, is_named):
    assert Reach(listed).names(host, port) is is_named


def test_with_a_list_only_what_is_on_it_is_pulled(tmp_path, hub, weights):
    hub.put(weights)
    library = Library(tmp_path / "m", reach=Reach(("registry.example",)))

    with pytest.raises(RegistryError, match=r"127\.0\.0\.1 is not among .*OLLAMA_REGISTRIES"):
        fetch(library, hub)
    assert hub.requests == []


def test_without_leave_this_machine_is_not_reached_and_not_even_asked(tmp_path, hub, weights):
    hub.put(weights)
    library = Library(tmp_path / "m", reach=OUTSIDE_ONLY)

    for scheme in ("http://", ""):
        with pytest.raises(RegistryError, match="may not be reached from here"):
            list(pull(library, hub.name(scheme=scheme), insecure=True, patience=QUICK))
    assert hub.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::1]"])
def test_other_spellings_of_this_machine_are_not_reached_either(tmp_path, hub, weights, host):
    hub.put(weights)
    library = Library(tmp_path / "m", reach=OUTSIDE_ONLY)

    name = f"http://{host}:{hub.port}/library/tiny:v1"
    with pytest.raises(EngineError):
        list(pull(library, name, insecure=True, patience=QUICK))
    assert hub.requests == []


def test_a_registry_inside_can_be_listed(tmp_path, hub, weights):
    hub.put(weights)
    library = Library(tmp_path / "m", reach=Reach((f"127.0.0.1:{hub.port}",), False))

    fetch(library, hub)

    assert library.find(hub.name()).is_readable


def test_a_redirect_to_the_inside_is_not_followed(tmp_path, hub, make_hub, weights):
    inside = make_hub()
    inside.put(weights)
    hub.put(weights)
    hub.blob_host = f"http://127.0.0.1:{inside.port}"
    library = Library(tmp_path / "m", reach=Reach((f"127.0.0.1:{hub.port}",), False))

    with pytest.raises(RegistryError, match="may not be reached from here"):
        fetch(library, hub)
    assert inside.requests == []


def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(
    tmp_path, hub, weights, monkeypatch
):
    """The second look-up of a name must not count: there is none."""
    hub.put(weights)
    asked = []

    def changing(host, port, *args, **kwargs):
        asked.append(host)
        address = "203.0.113.1" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected = []
    connect = httpcore.SyncBackend.connect_tcp

    def watched(self, host, port, *args, **kwargs):
        connected.append(host)
        return connect(self, host, port, *args, **kwargs)

    monkeypatch.setattr("engine.library.reach.socket.getaddrinfo", changing)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", watched)
    library = Library(tmp_path / "m", reach=OUTSIDE_ONLY)

    name = f"http://rebinding.example:{hub.port}/library/tiny:v1"
    with pytest.raises(RegistryError, match="may not be reached from here"):
        list(pull(library, name, insecure=True, patience=QUICK))
    assert connected == []
    assert hub.requests == []


def test_pushing_goes_only_where_pulling_may(tmp_path, library, hub, weights):
    hub.put(weights)
    fetch(library, hub)
    hub.requests.clear()
    library.reach = OUTSIDE_ONLY

    with pytest.raises(RegistryError, match="may not be reached from here"):
        list(push(library, hub.name(), insecure=True, patience=QUICK))
    assert hub.requests == []


def test_by_itself_everything_may_be_reached(library, hub, weights):
    hub.put(weights)

    fetch(library, hub)

    assert library.reach == ANYWHERE
