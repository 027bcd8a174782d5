"""Which registries may be spoken to: names and addresses in, a refusal out; connects only there.

Whoever may pull a model names the machine that this server then speaks to. Where that is not only
the person at this machine, addresses of this machine and of its networks must stay out of reach
(server-side request forgery), also after a redirect and also if a name changes its address
between the check and the connection: so the very address that was checked is connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpcore
import httpx

from engine.errors import RegistryError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in the last 32 bits (RFC 6052)

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What registries may be spoken to."""

    registries: tuple[str, ...] = ()  # host or host:port; empty = any
    is_inside_allowed: bool = True  # also on this machine and in its own networks

    def names(self, host: str, port: int | None) -> bool:
        """Tell whether the settings name a registry."""
        host = host.casefold()
        return any(
            one in {host, f"{host}:{port}"} for one in map(str.casefold, self.registries) if one
        )

    def check_registry(self, host: str, port: int | None) -> None:
        """Refuse a registry that is not listed, if there is a list.

        Raises:
            RegistryError: it is not.
        """
        if self.registries and not self.names(host, port):
            listed = ", ".join(self.registries)
            raise RegistryError(
                f"registry {host} is not among those that may be used ({listed}); the "
                "administrator lists them in OLLAMA_REGISTRIES"
            )

    def check_address(self, host: str, port: int | None, address: str) -> None:
        """Refuse an address of this machine or its networks, unless the settings name its host.

        Raises:
            RegistryError: it may not be spoken to.
        """
        if self.is_inside_allowed or not is_inside(address) or self.names(host, port):
            return
        raise RegistryError(
            f"{host} is an address of this machine or its network, which may not be reached from "
            "here; the administrator lists registries that may be in OLLAMA_REGISTRIES"
        )


ANYWHERE = Reach()


def is_inside(address: str) -> bool:
    """Tell whether an IP address is anything but one of the public Internet."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if found.version == 6:
        if found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        else:
            found = found.ipv4_mapped or found.sixtofour or found
    return not found.is_global or found.is_multicast


def bind(client: httpx.Client, reach: Reach) -> None:
    """Let a client's direct connections go only where `reach` allows.

    Connections through a proxy of the environment go to the proxy, which resolves names itself.
    """
    if reach.is_inside_allowed:
        return
    # No public way leads there: httpx gives its pool no backend of ours (httpx 0.28).
    transport = client._transport
    transport._pool._network_backend = _Checked(reach)  # type: ignore[attr-defined]


class _Checked(httpcore.SyncBackend):
    """Resolves a name, checks the addresses, connects to one that was checked."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        for address in addresses:
            self._reach.check_address(host, port, address)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")
