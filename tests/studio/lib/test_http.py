"""Users' URLs must not reach the host's own services."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from studio.lib.http import ForbiddenAddress, check_url, guarded_client, is_public, parse_target, resolve
from tests.aside import run_aside
from tests.servers.chat import ChatServer, running_chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with running_chat_server() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``names(host, *answers)``: what the resolver says, one answer (a list of addresses) a look-up; returns the look-ups."""

    def make(host: str, *answers: list[str]) -> list[str]:
        left, asked = list(answers), []

        async def getaddrinfo(self: Any, name: str, port: int, **options: Any) -> list[Any]:
            asked.append(name)
            if name != host:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            addresses = left.pop(0) if len(left) > 1 else left[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
        return asked

    return make


def get(url: str, **options: Any) -> httpx2.Response:
    async def once() -> httpx2.Response:
        async with guarded_client(timeout=5, **options) as client:
            return await client.get(url)

    return run_aside(once())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_addresses_that_are_not_on_the_open_internet_are_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ForbiddenAddress, match="not a public address"):
        check_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_let_through(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "ftp://host/x",
        "//host/x",
        "host/x",
        "",
        "http://",
        "http://user:pw@host/",
        "http://0177.0.0.1/",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:6379/", "http://LOCALHOST./", "http://x.localhost/", "http://metadata.google.internal/"]
)
def test_names_of_the_host_itself_and_of_metadata_services_are_refused_by_name(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1"])
def test_other_spellings_of_the_loopback_address_are_refused_when_resolved(host: str) -> None:
    with pytest.raises(ForbiddenAddress, match=r"127\.0\.0\.1"):
        run_aside(resolve(parse_target(f"http://{host}/")))


@pytest.mark.parametrize(
    ("entry", "url", "opened"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434/v1", True),
        ("127.0.0.1:11434", "http://127.0.0.1:6379/", False),
        ("localhost:11434", "http://localhost:11434/v1", True),
        ("localhost", "http://localhost:9/v1", True),
        ("10.1.0.0/16", "http://10.1.2.3/", True),
        ("10.1.0.0/16", "http://10.2.2.3/", False),
        ("[::1]:8080", "http://[::1]:8080/", True),
        ("::1", "http://[::1]:8080/", True),
        ("*", "http://192.168.1.1/", True),
        ("not a network/99", "http://192.168.1.1/", False),
    ],
)
def test_the_operator_opens_hosts_ports_and_networks(entry: str, url: str, opened: bool) -> None:
    if opened:
        assert check_url(url, allowed_hosts=[entry]).scheme == "http"
    else:
        with pytest.raises(ForbiddenAddress, match="not a public address") as caught:
            check_url(url, allowed_hosts=[entry])
        assert "STUDIO_ALLOWED_HOSTS_OUT" in caught.value.action


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("http://[fd00::7]:8000/v1", "[fd00::7]:8000"),
        ("https://localhost/v1", "localhost:443"),
    ],
)
def test_a_refusal_names_the_setting_and_the_entry_that_would_open_it(url: str, entry: str) -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        check_url(url)
    assert f"add {entry} to STUDIO_ALLOWED_HOSTS_OUT" in caught.value.action
    assert check_url(url, allowed_hosts=[entry])


def test_a_name_is_refused_when_any_of_its_addresses_is_private(names: Callable[..., list[str]]) -> None:
    names("evil.test", ["8.8.8.8", "10.0.0.7"])
    with pytest.raises(ForbiddenAddress, match=r"evil\.test \(10\.0\.0\.7\)"):
        get("http://evil.test/")


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    names: Callable[..., list[str]], server: ChatServer
) -> None:
    port = parse_target(server.url).port
    asked = names("flip.test", ["127.0.0.1"], ["127.0.0.66"])
    # The first look-up is judged and used; there is no second one between judging and connecting.
    answer = get(f"http://flip.test:{port}/v1/models", allowed_hosts=["127.0.0.1"])
    assert answer.status_code == 200
    assert asked == ["flip.test"]
    with pytest.raises(ForbiddenAddress, match=r"127\.0\.0\.66"):
        get(f"http://flip.test:{port}/v1/models", allowed_hosts=["127.0.0.1"])


def test_every_request_of_a_client_is_judged_anew(names: Callable[..., list[str]], server: ChatServer) -> None:
    port = parse_target(server.url).port
    names("flip.test", ["127.0.0.1"], ["10.0.0.1"])

    async def twice() -> None:
        async with guarded_client(timeout=5, allowed_hosts=["127.0.0.1"]) as client:
            assert (await client.get(f"http://flip.test:{port}/")).status_code == 200
            await client.get(f"http://flip.test:{port}/")

    with pytest.raises(ForbiddenAddress):
        run_aside(twice())


def test_the_next_address_is_tried_when_one_does_not_answer(
    names: Callable[..., list[str]], server: ChatServer
) -> None:
    port = parse_target(server.url).port
    names("two.test", ["::1", "127.0.0.1"])
    assert get(f"http://two.test:{port}/", allowed_hosts=["127.0.0.1", "::1"]).status_code == 200


def test_an_unknown_name_is_a_connection_error_that_names_it(names: Callable[..., list[str]]) -> None:
    names("known.test", ["8.8.8.8"])
    with pytest.raises(httpx2.ConnectError, match=r"unknown\.test"):
        get("http://unknown.test/")


def test_the_server_sees_the_name_and_only_the_headers_it_needs(
    names: Callable[..., list[str]], server: ChatServer
) -> None:
    port = parse_target(server.url).port
    names("named.test", ["127.0.0.1"])

    async def post() -> None:
        async with guarded_client(allowed_hosts=["127.0.0.1"], headers={"Authorization": "Bearer ours"}) as client:
            headers = {"Authorization": "Bearer theirs", "X-Internal": "1", "Cookie": "a=b"}
            await client.post(
                f"http://named.test:{port}/v1/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": "x"}]},
                headers=headers,
            )

    run_aside(post())
    (seen,) = server.headers
    assert seen["host"] == f"named.test:{port}"
    assert seen["authorization"] == "Bearer ours"
    assert not {"x-internal", "cookie"} & set(seen)
