"""What the environment does to a client: each fault of proxies, certificates and keys is a sentence."""

import resource
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.errors import UserError
from agent.llm.client import LLMClient
from agent.llm.endpoint import Endpoint
from agent.llm.surroundings import (
    SurroundingsError,
    allow_open_files,
    certificates,
    distrust,
    key_problem,
    proxy_for,
)
from agent.schema import Role
from tests.llm.fault_server import Answering, serving
from tests.llm.test_probe import able

CLOSED = "127.0.0.1:9"  # the discard port, where nothing listens
ABOUT_PROXIES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no", "ftp")]


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ABOUT_PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


def probe(url: str, key: str = "") -> None:
    llm = LLMClient({Role.JUDGE: Endpoint(model="m", base_url=url, key=SecretStr(key))})
    try:
        llm.probe()
    finally:
        llm.close()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:7890/", "ALL_PROXY names the proxy socks://127.0.0.1:7890, which cannot be"),
        ("all_proxy", "socks5h://me:secret@10.0.0.1:1080", "all_proxy names the proxy socks5h://10.0.0.1:1080"),
        ("HTTP_PROXY", "ftp://proxy", "HTTP_PROXY names the proxy ftp://proxy, which cannot be used"),
        ("http_proxy", "http://", "http_proxy names the proxy http://, which cannot be used"),
        ("http_proxy", "http://proxy:port", "http_proxy is not the URL of a proxy. Write http://host:port"),
    ],
)
def test_a_proxy_of_another_kind_is_a_sentence_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SurroundingsError) as caught:
        probe("http://127.0.0.1:1/v1")
    assert said in str(caught.value)
    assert "nset" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("proxy", [f"http://{CLOSED}", CLOSED])
def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with serving(able) as server, pytest.raises(UserError) as caught:
        probe(server.url)
    assert f"The proxy http://{CLOSED}, which HTTP_PROXY names, does not connect to {server.url}" in str(caught.value)
    assert "Start that proxy, correct or unset HTTP_PROXY, or add the endpoint's host to NO_PROXY." in str(caught.value)


def test_a_proxy_that_wants_a_login_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answering(407)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        with pytest.raises(UserError, match="which http_proxy names, wants a name and a password"):
            probe("http://judge.example/v1")


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_a_host_in_no_proxy_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "socks://127.0.0.1:7890/")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    with serving(able) as server:
        probe(server.url)


def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(able) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        probe("http://judge.example/v1")
        assert proxy.asked[0].path == "http://judge.example/v1/chat/completions"


def test_the_scheme_of_the_url_chooses_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one:1")
    monkeypatch.setenv("ALL_PROXY", "http://two:2")
    found = [proxy_for(f"{scheme}://judge.example/v1") for scheme in ("https", "http")]
    assert [one and (one.variable, one.shown) for one in found] == [
        ("HTTPS_PROXY", "http://one:1"),
        ("ALL_PROXY", "http://two:2"),
    ]


def text_file(folder: Path) -> Path:
    (folder / "no.pem").write_text("no certificate")
    return folder / "no.pem"


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("SSL_CERT_FILE", lambda folder: folder / "missing.pem"),
        ("SSL_CERT_FILE", text_file),
        ("SSL_CERT_FILE", lambda folder: folder),
        ("SSL_CERT_DIR", lambda folder: folder / "missing"),
    ],
)
def test_certificates_that_cannot_be_read_are_a_sentence_with_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, path: Callable[[Path], Path]
) -> None:
    named = path(tmp_path)
    monkeypatch.setenv(variable, str(named))
    with pytest.raises(SurroundingsError, match=f"{variable} names '{named}', which cannot be read .* unset it"):
        probe("https://127.0.0.1:1/v1")
    assert certificates("http://127.0.0.1:1/v1").verify_mode is ssl.CERT_REQUIRED  # needed after a redirect at most


def test_https_to_a_server_without_it_says_so() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(UserError, match="does not speak TLS: write http:// in `base_url`"):
                probe(f"https://127.0.0.1:{server.server_port}/v1")
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("certificate verify failed: self-signed certificate", "set SSL_CERT_FILE"),
        ("certificate verify failed: unable to get local issuer certificate", "set SSL_CERT_FILE"),
        ("certificate verify failed: certificate has expired", "Renew the server's certificate"),
        ("Hostname mismatch, certificate is not valid for 'a'", "Name the server in `base_url`"),
    ],
)
def test_a_server_that_is_not_trusted_has_a_remedy(reason: str, said: str) -> None:
    assert said in distrust("https://a", reason)


@pytest.mark.parametrize("key", ["sk-abc\u2019def", "sk-abc\ndef", "sk abc", "sk-\u00e4", "sk-\x7f"])
def test_a_key_that_http_cannot_carry_is_told_by_its_variable_and_not_shown(key: str) -> None:
    said = str(key_problem("MY_KEY", key))
    assert said.startswith("The environment variable MY_KEY holds no API key: its character ")
    assert "abc" not in said


def test_a_usual_key_has_no_problem() -> None:
    assert key_problem("MY_KEY", "sk-proj-A_b.c=/+:1") is None


def test_a_header_that_http_cannot_carry_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org\u2019s")
    with pytest.raises(SurroundingsError, match="OPENAI_ORG_ID holds a character that is not printable ASCII"):
        probe("http://127.0.0.1:1/v1")
    monkeypatch.delenv("OPENAI_ORG_ID")
    with pytest.raises(SurroundingsError) as caught:
        probe("http://127.0.0.1:1/v1", "sk-abc\u2019def")
    assert "abc" not in str(caught.value)


def test_as_many_files_may_be_open_as_connections_need(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: allowed.append(limits))
    for connections in (8, 1025, 10_000):
        allow_open_files(connections)
    assert allowed == [(264, 4096), (1281, 4096), (4096, 4096)]


def test_windows_is_refused_in_a_sentence() -> None:
    code = "import sys; sys.platform = 'win32'; from agent.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.startswith("cliffhanger: Windows is not supported")
    assert "WSL" in done.stderr
    assert "Traceback" not in done.stderr
