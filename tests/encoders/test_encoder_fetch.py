"""Pictures are fetched from public http(s) addresses only, within bounds, and from the machine that was checked."""

import asyncio
import io
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import picture_server
import pytest
from PIL import Image

from recsys.encoders import fetch as room
from recsys.encoders.fetch import fetch, is_public
from recsys.encoders.fetched import Fetched
from recsys.encoders.pictures import BrokenPictureError

HERE = frozenset({"127.0.0.1"})


@pytest.fixture
def site() -> Iterator[picture_server.Site]:
    with picture_server.serving(picture=picture_server.picture(), page=b"<html>not found</html>") as site:
        yield site


def fetched(address: str, hosts: frozenset[str] = HERE) -> bytes:
    return asyncio.run(fetch(address, hosts))


def refused(address: str, hosts: frozenset[str] = HERE) -> str:
    with pytest.raises(BrokenPictureError) as error:
        fetched(address, hosts)
    return str(error.value)


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 127.8.9.1 0.0.0.0 0.1.2.3 10.1.2.3 172.16.9.9 192.168.0.1 169.254.169.254 100.64.1.1 192.0.2.1
    198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:10.0.0.1
    ::ffff:169.254.169.254 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1 64:ff9b::7f00:1
    64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2""".split(),  # noqa: SIM905
)
def test_what_is_not_public_is_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_public_is_known(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_picture_is_fetched(site: picture_server.Site) -> None:
    assert fetched(site.address("/picture")) == picture_server.picture()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", ""],
)
def test_this_machine_is_not_asked_under_any_name(site: picture_server.Site, host: str) -> None:
    refused(site.address("/picture", host), frozenset())
    assert site.asked == []


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1/a.png", "file:///etc/passwd", "gopher://127.0.0.1/", "/etc/passwd"]
)
def test_no_other_scheme_is_followed(address: str) -> None:
    assert "http" in refused(address)


def test_redirects_are_followed_and_each_is_checked(site: picture_server.Site) -> None:
    elsewhere = site.address("/picture", "localhost")
    site.answers |= {
        "near": "/picture",
        "away": elsewhere,
        "file": "file:///etc/passwd",
        "meta": "http://169.254.169.254/",
    }
    assert fetched(site.address("/near")) == picture_server.picture()
    for path, why in (("/away", "not a public"), ("/file", "http"), ("/meta", "not a public")):
        assert why in refused(site.address(path))
    assert [path for path, _ in site.asked] == ["/near", "/picture", "/away", "/file", "/meta"]


def test_redirects_have_an_end(site: picture_server.Site) -> None:
    site.answers |= {"r1": "/r2", "r2": "/r3", "r3": "/picture", "r0": "/r1"}
    assert fetched(site.address("/r1")) == picture_server.picture()
    assert "redirects" in refused(site.address("/r0"))


def test_a_name_is_resolved_once_and_the_checked_machine_is_asked(
    site: picture_server.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name points to this machine at the first look, and at any later one to where nothing listens."""
    looks = []

    def resolved(host: str | bytes, *_args: object, **_named: object) -> list[tuple[object, ...]]:
        looks.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(looks) == 1 else "127.0.0.2", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert (
        fetched(site.address("/picture", "photos.example"), frozenset({"photos.example"})) == picture_server.picture()
    )
    assert looks == [b"photos.example"]
    assert site.asked == [("/picture", f"photos.example:{site.port}")]


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_args: object, **_named: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("8.8.8.8", "10.0.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert "10.0.0.7" in refused("http://photos.example/a.png", frozenset())


def test_what_is_no_picture_or_too_large_is_refused(site: picture_server.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("1", (9000, 8000)).save(file, "PNG")
    site.answers |= {"bomb": file.getvalue(), "gone": 410, "endless": "endless"}
    assert "no picture" in refused(site.address("/page"))
    assert "9000 x 8000 pixels" in refused(site.address("/bomb"))
    assert "410" in refused(site.address("/gone"))
    assert "404" in refused(site.address("/nothing"))
    assert "more than" in refused(site.address("/endless"))


def test_a_picture_that_comes_drop_by_drop_is_given_up(
    site: picture_server.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers |= {"slow": "slow"}
    monkeypatch.setattr(room, "SECONDS", 0.5)
    assert "longer than" in refused(site.address("/slow"))


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http://[",
        "http://a\0b/",
        f"http://{'a' * 300}.example/",
        "http://no.such.invalid/",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:99999999999999999999/",
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address: str) -> None:
    assert refused(address)


def test_a_fetched_picture_lies_in_a_file_until_it_is_forgotten(tmp_path) -> None:
    store, address = Fetched(tmp_path / "fetched"), "https://example.com/a.png?size=1"
    assert store.file(address) is None
    store.keep(address, b"one")
    store.keep(address, b"two")
    path = store.file(address)
    assert path is not None
    assert path.read_bytes() == b"two"
    assert [p for p in (tmp_path / "fetched").rglob("*") if p.is_file()] == [path]
    assert store.forget(path.stat().st_mtime) == 0
    assert store.forget(path.stat().st_mtime + 1) == 1
    assert store.file(address) is None
