"""Pictures at http(s) addresses -> their bytes. Articles come from outside, so an address may be a trap.

A name is resolved here, every one of its addresses must be public, and the connection goes to the very address that
was checked: a name that is resolved again may say something else by then (DNS rebinding). Redirects are followed by
hand, each checked anew. No proxy of the environment is used: it would resolve names itself.
"""

import asyncio
import socket
import ssl
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from recsys import __version__
from recsys.encoders.pictures import BrokenPictureError, check_head

IP = IPv4Address | IPv6Address
MOST_BYTES = 10 * 2**20
SECONDS = 10.0  # for everything: names, redirects, bytes
MOST_REDIRECTS = 3
HEADERS = {
    "User-Agent": f"recsys/{__version__}",
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # a picture is compressed already, and what is compressed twice may be a bomb
}
_NAT64 = IPv6Network("64:ff9b::/96")


async def fetch(address: str, hosts: frozenset[str] = frozenset()) -> bytes:
    """The bytes of the picture at an address, whose head says that it is one of bearable size.

    Args:
        hosts: names (or addresses) that may be asked although they are not public.

    Raises:
        BrokenPictureError: whatever is wrong, with the reason.
    """
    try:
        async with asyncio.timeout(SECONDS):
            data = await _followed(httpx.URL(address), hosts)
    except TimeoutError as error:
        raise BrokenPictureError(f"{address} took longer than {SECONDS:.0f} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, OverflowError, ValueError) as error:  # overflow: of a port
        raise BrokenPictureError(f"{address}: {error or type(error).__name__}") from error
    check_head(data)
    return data


async def _followed(url: httpx.URL, hosts: frozenset[str]) -> bytes:
    for _ in range(MOST_REDIRECTS + 1):
        answer = await _asked(url, hosts)
        if isinstance(answer, bytes):
            return answer
        url = url.join(answer)
    raise BrokenPictureError(f"more than {MOST_REDIRECTS} redirects")


async def _asked(url: httpx.URL, hosts: frozenset[str]) -> bytes | httpx.URL:
    """What an address answers: a picture, or where to ask instead. Of several machines the first that listens is it."""
    failed: httpx.ConnectError | httpx.ConnectTimeout | None = None
    for ip in await _checked(url, hosts):
        try:
            return await _from(url, ip)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failed = error
    raise failed or BrokenPictureError(f"{url.host} has no address")


async def _checked(url: httpx.URL, hosts: frozenset[str]) -> list[IP]:
    """The machines behind an address, IPv4 first; BrokenPictureError unless every one of them is public."""
    if url.scheme not in ("http", "https") or not url.host:
        raise BrokenPictureError(f"{url} is no http(s) address")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.raw_host, url.port or 0, type=socket.SOCK_STREAM)
    ips = sorted({ip_address(str(where[0])) for *_, where in found}, key=lambda ip: (ip.version, int(ip)))
    if url.host.lower() not in hosts:
        for ip in ips:
            if not is_public(ip):
                raise BrokenPictureError(f"{url.host} is {ip}, which is not a public address")
    return ips


def is_public(ip: IP) -> bool:
    """Whether an address belongs to the public internet; one that carries an IPv4 address is as public as that."""
    if isinstance(ip, IPv6Address):
        if (inside := ip.ipv4_mapped or _translated(ip)) is not None:
            return is_public(inside)
        if ip.is_site_local or not all(is_public(tunnel) for tunnel in (ip.sixtofour, *(ip.teredo or ())) if tunnel):
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _translated(ip: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


async def _from(url: httpx.URL, ip: IP) -> bytes | httpx.URL:
    """Ask this machine, under the name that the address has: in the Host header, and where certificates are checked."""
    pinned = url.copy_with(host=str(ip))
    headers = {**HEADERS, "Host": url.netloc.decode("ascii")}
    async with (
        httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=SECONDS) as client,
        client.stream(
            "GET", pinned, headers=headers, extensions={"sni_hostname": url.raw_host.decode("ascii")}
        ) as answer,
    ):
        if answer.has_redirect_location:
            return httpx.URL(answer.headers["location"])
        if answer.status_code != httpx.codes.OK:
            raise BrokenPictureError(f"{url} answered {answer.status_code}")
        return await _read(answer)


async def _read(answer: httpx.Response) -> bytes:
    data = bytearray()
    async for part in answer.aiter_raw():
        data += part
        if len(data) > MOST_BYTES:
            raise BrokenPictureError(f"the picture has more than {MOST_BYTES:,} bytes")
    return bytes(data)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
