"""What the environment does to a client: proxies, certificates, headers, open files; each fault is a sentence."""

import os
import resource
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.errors import UserError

if TYPE_CHECKING:
    import httpx2

_PROXIES = ("http", "https")  # the kinds that aiohttp speaks to
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# The headers that the openai package takes from the environment, by their names.
_VARIABLES = {"openai-organization": "OPENAI_ORG_ID", "openai-project": "OPENAI_PROJECT_ID"}
_SPARE_FILES = 256  # open files besides connections: the ledger, the subject's weights, logs; by judgement


class SurroundingsError(UserError):
    """The environment makes a client impossible. The message names the variable and the remedy."""


@dataclass(frozen=True)
class ProxyVariable:
    """The proxy of an endpoint, as an environment variable names it. `shown` is its URL without name and password."""

    variable: str
    url: str
    shown: str

    @property
    def remedy(self) -> str:
        return f"Start that proxy, correct or unset {self.variable}, or add the endpoint's host to NO_PROXY."


def proxy_for(url: str) -> ProxyVariable | None:
    """The proxy that the environment names for a URL; None without one. Raises SurroundingsError if it is unusable."""
    parts = urlsplit(url)
    found = urllib.request.getproxies()
    kind = next((kind for kind in (parts.scheme, "all") if found.get(kind)), None)
    if kind is None or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    named = next((name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name]), None)
    variable = named or f"the system's {kind} proxy"
    value = found[kind] if "://" in found[kind] else f"http://{found[kind]}"
    try:
        proxy = urlsplit(value)
        place = f"{proxy.hostname or ''}:{proxy.port}" if proxy.port else proxy.hostname or ""
    except ValueError:  # no port number, or half an IPv6 address
        raise SurroundingsError(f"{variable} is not the URL of a proxy. Write http://host:port, or unset it.") from None
    shown = f"{proxy.scheme}://{place}"
    if proxy.scheme not in _PROXIES or not place:
        raise SurroundingsError(
            f"{variable} names the proxy {shown}, which cannot be used: only http:// and https:// proxies are "
            f"supported. Unset {variable}, set it to an HTTP proxy, or add {parts.hostname} to NO_PROXY."
        )
    return ProxyVariable(variable, value, shown)


def certificates(url: str) -> ssl.SSLContext:
    """The TLS settings for a URL. Raises SurroundingsError where SSL_CERT_FILE or SSL_CERT_DIR cannot be used."""
    import httpx2

    variable = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    try:
        if variable == "SSL_CERT_DIR" and not Path(os.environ[variable]).is_dir():
            raise FileNotFoundError(2, "No such folder")
        return httpx2.create_ssl_context()
    except (OSError, ssl.SSLError, ValueError) as error:
        if not url.startswith("https:"):  # it needs none
            return httpx2.create_ssl_context(trust_env=False)
        what = getattr(error, "strerror", None) or str(error)
        where = f"{variable} names {os.environ[variable]!r}, which" if variable else "The system's list of authorities"
        raise SurroundingsError(
            f"{where} cannot be read as certificates in PEM form ({what}). Correct "
            f"{variable or 'it'}{', or unset it' if variable else ''}."
        ) from None


def connection_problem(url: str) -> str | None:
    """Why the environment allows no connection to a URL, as a sentence; None where it allows one."""
    try:
        proxy_for(url)
        certificates(url)
    except SurroundingsError as error:
        return str(error)
    return None


def distrust(url: str, reason: str) -> str:
    """What to do about a server whose TLS handshake failed for this reason."""
    if "WRONG_VERSION_NUMBER" in reason.upper() or "RECORD" in reason.upper():
        return "The server does not speak TLS: write http:// in `base_url`."
    if "expired" in reason or "not yet valid" in reason:
        return "Renew the server's certificate, or set this machine's clock."
    if "ostname mismatch" in reason or "doesn't match" in reason or "IP address mismatch" in reason:
        return "Name the server in `base_url` as its certificate does."
    return (
        "If you trust the server, set SSL_CERT_FILE to a PEM file with the certificate of the authority that signed "
        "its own (for a self-signed one, with that itself)."
    )


def checked_headers(headers: Mapping[str, str]) -> "httpx2.Headers":
    """The headers. Raises SurroundingsError, without showing it, for a value that HTTP cannot carry."""
    import httpx2

    for name, value in headers.items():
        if not is_printable(value):
            variable = _VARIABLES.get(name.lower(), "the variable that `key_variable` names")
            raise SurroundingsError(
                f"The header {name} cannot be sent: {variable} holds a character that is not printable ASCII. "
                "Set it again without typographic marks and line ends."
            )
    return httpx2.Headers(headers)


def is_printable(value: str) -> bool:
    """Whether HTTP can carry a value as it is: printable ASCII."""
    return value.isascii() and value.isprintable()


def key_problem(variable: str, key: str) -> str | None:
    """What is wrong with a key, as a sentence that does not show it; None for a possible one."""
    if is_printable(key) and " " not in key:
        return None
    place = next(i for i, char in enumerate(key, 1) if not is_printable(char) or char == " ")
    return (
        f"The environment variable {variable} holds no API key: its character {place} is a blank, a line end, or not "
        "ASCII (a typographic mark?). Copy the key again and set it with "
        f"export {variable}=…"
    )


def allow_open_files(connections: int) -> None:
    """Raise this process's limit of open files, as far as the system allows, so that so many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft in (resource.RLIM_INFINITY, -1) or soft >= wanted:
        return
    most = wanted if hard in (resource.RLIM_INFINITY, -1) else min(hard, wanted)
    with suppress(OSError, ValueError):  # some systems allow less than they say: then connections wait for each other
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
