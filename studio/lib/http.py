"""Outgoing HTTP to addresses that users type: never to the host's own services unless the operator allows it.

A URL is judged twice. :func:`check_url` reads its text. :class:`GuardedTransport` resolves the name for every single request,
refuses it when *any* of its addresses is not public, and connects to exactly the address it judged, so that a name that
answers differently a moment later gains nothing. Redirects are not followed, and proxies from the environment are not used.

``allowed_hosts`` are the operator's exceptions: ``host``, ``host:port``, an address, a network (``10.1.0.0/16``), or ``*``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import httpx2

from studio.lib.errors import StudioError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
SPECIAL = ipaddress.ip_network("192.0.0.0/24")
"""IETF protocol assignments; one cloud serves its metadata there, and Python calls part of it global."""
METADATA_NAMES = frozenset({"metadata.google.internal", "metadata", "instance-data"})
SENT_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
)
"""Request headers that leave the house, beside the client's own ``headers``. The providers' SDKs add others, taken from the
environment of the process: the operator's keys would travel to an address that a user typed."""


class ForbiddenAddress(StudioError):
    """The URL leads to a place that the operator has not opened."""


@dataclass(frozen=True)
class Target:
    """Where a URL points: ``host`` is lower case without brackets."""

    scheme: str
    host: str
    port: int


def parse_target(url: str) -> Target:
    """Scheme, host and port of a URL; raises :class:`ForbiddenAddress` for what is no plain http(s) URL."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise ForbiddenAddress(f"'{url}' is not a URL: {error}.", action="Enter it like https://host/v1.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ForbiddenAddress(f"'{url}' is not an http or https URL.", action="Enter it like https://host/v1.")
    if parsed.userinfo:
        raise ForbiddenAddress(
            "The URL holds a user name or password.", action="Put the key into a credential instead."
        )
    host = parsed.host.rstrip(".").lower()
    return Target(parsed.scheme, host, parsed.port or (443 if parsed.scheme == "https" else 80))


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet; IPv4 hidden in IPv6 is judged as what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(hidden)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in SPECIAL


def is_excepted(target: Target, address: Address | None, allowed_hosts: Collection[str]) -> bool:
    """Whether the operator's list opens this host (or the address it resolved to)."""
    names = {target.host, f"{target.host}:{target.port}"}
    if ":" in target.host:
        names |= {f"[{target.host}]", f"[{target.host}]:{target.port}"}
    if address is not None:
        text = f"[{address}]" if address.version == 6 else str(address)
        names |= {str(address), f"{text}:{target.port}"}
    for entry in allowed_hosts:
        if entry == "*" or entry.lower() in names:
            return True
        if "/" in entry and address is not None:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
    return False


def judge(target: Target, address: Address, allowed_hosts: Collection[str]) -> None:
    """Raise :class:`ForbiddenAddress` unless ``address`` is public or excepted."""
    if is_public(address) and target.host not in METADATA_NAMES:
        return
    if is_excepted(target, address, allowed_hosts):
        return
    where = target.host if target.host == str(address) else f"{target.host} ({address})"
    entry = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    raise ForbiddenAddress(
        f"{where} is not a public address, and this Studio may not reach it.",
        action=f"Ask the operator to add {entry} to STUDIO_ALLOWED_HOSTS_OUT, or use a public address.",
    )


def check_url(url: str, *, allowed_hosts: Collection[str] = ()) -> Target:
    """Judge a URL by its text alone (no look-up): for forms. Raises :class:`ForbiddenAddress`."""
    target = parse_target(url)
    literal = _literal(target.host)
    if literal is not None:
        judge(target, literal, allowed_hosts)
    elif target.host in METADATA_NAMES or target.host == "localhost" or target.host.endswith(".localhost"):
        judge(target, ipaddress.ip_address("127.0.0.1"), allowed_hosts)
    return target


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None


async def resolve(target: Target, *, allowed_hosts: Collection[str] = ()) -> list[Address]:
    """The addresses of a host, all of them judged; raises :class:`ForbiddenAddress`, or ``OSError`` when there are none."""
    literal = _literal(target.host)
    if literal is not None:
        judge(target, literal, allowed_hosts)
        return [literal]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%", 1)[0]) for entry in found]
    for address in addresses:
        judge(target, address, allowed_hosts)
    return list(dict.fromkeys(addresses))


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Resolves, judges and pins every request. TLS still checks the certificate of the *name*."""

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
        max_connections: int = 100,
    ) -> None:
        self.allowed_hosts = tuple(allowed_hosts)
        self.headers = dict(headers or {})
        self.limits = httpx2.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        # One pool a name: two names behind one address must not share a TLS connection.
        self._pools: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send ``request`` to an address judged a moment ago."""
        target = parse_target(str(request.url))
        try:
            addresses = await resolve(target, allowed_hosts=self.allowed_hosts)
        except OSError as error:
            raise httpx2.ConnectError(f"No address found for {target.host}: {error.strerror or error}") from error
        for name in [name for name in request.headers if name.lower() not in SENT_HEADERS]:
            del request.headers[name]
        request.headers.update(self.headers)
        pool = self._pools.get(target.host)
        if pool is None:
            pool = httpx2.AsyncHTTPTransport(trust_env=False, limits=self.limits)
            self._pools[target.host] = pool
        failure: Exception | None = None
        for address in addresses:
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": target.host},
            )
            try:
                return await pool.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure or httpx2.ConnectError(f"No address found for {target.host}.")

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


def guarded_client(
    *,
    allowed_hosts: Collection[str] = (),
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    max_connections: int = 100,
) -> httpx2.AsyncClient:
    """An async client for users' URLs: guarded, no redirects, nothing taken from the environment.

    ``headers`` (a key, say) go with every request and win over any other of that name. ``timeout`` in seconds.
    """
    return httpx2.AsyncClient(
        transport=GuardedTransport(allowed_hosts=allowed_hosts, headers=headers, max_connections=max_connections),
        timeout=httpx2.Timeout(timeout, connect=min(timeout, 15.0)),
        follow_redirects=False,
        trust_env=False,
    )
