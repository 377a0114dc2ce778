"""Security of the review page: requests from anywhere else are refused and change nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.review.web.security import MAX_FORM_BYTES, SecurityMiddleware, is_loopback, new_token
from tests.review.web.served import TOKEN, Served, serving
from tests.review.web.sessions import ReviewedRun, drafted_run

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def run(tmp_path: Path) -> ReviewedRun:
    return drafted_run(tmp_path)


@pytest.fixture
def page(run: ReviewedRun) -> Iterator[Served]:
    with serving([run.session()]) as served:
        yield served


def approval(run: ReviewedRun) -> dict[str, str]:
    return {"act": "approve", "version_token": run.session().cards()[0].version_token}


def test_the_page_itself_can_read_and_decide(page: Served, run: ReviewedRun) -> None:
    assert page.get().status == 200
    assert page.post("pair/0/decide", **approval(run)).status == 200
    assert run.stored_acts() == [("approve", "n0000")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example:80@127.0.0.1"},
        {"Host": "192.168.0.7"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
    ],
    ids=str,
)
def test_a_post_from_elsewhere_is_refused_and_changes_nothing(
    page: Served, run: ReviewedRun, headers: dict[str, str | None]
) -> None:
    for path, fields in (("pair/0/decide", approval(run)), ("unflagged", {}), ("undo", {}), ("apply", {})):
        answer = page.post(path, headers, **fields)
        assert (answer.status, answer.text[:8]) == (403, "Refused:")
    assert run.stored_acts() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_page_cannot_read(page: Served, headers: dict[str, str | None]) -> None:
    answer = page.raw("GET", f"/{TOKEN}/0/", headers=headers)
    assert answer.status == 403
    assert "n0000" not in answer.text


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%C3%A9", f"x/../{TOKEN}"])
def test_without_the_token_nothing_is_shown_or_stored(page: Served, run: ReviewedRun, token: str) -> None:
    assert page.raw("GET", f"/{token}/0/").status == 403
    assert page.raw("GET", f"/{token}/static/review.js").status == 403
    own = {"Origin": page.origin, **FORM}
    assert page.raw("POST", f"/{token}/0/unflagged", "", own).status == 403
    assert run.stored_acts() == []


def test_the_address_opens_the_page(page: Served) -> None:
    for host in ("localhost", f"localhost:{page.port}", "[::1]:9000", "127.0.0.1"):
        assert page.raw("GET", f"/{TOKEN}/0/", headers={"Host": host, "Sec-Fetch-Site": "none"}).status == 200
    assert page.raw("GET", f"/{TOKEN}/").headers["location"] == "0/"


def test_only_post_changes_anything(page: Served, run: ReviewedRun) -> None:
    version_token = approval(run)["version_token"]
    for method in ("GET", "HEAD"):
        assert page.raw(method, f"/{TOKEN}/0/pair/0/decide?act=approve&version_token={version_token}").status == 405
        assert page.raw(method, f"/{TOKEN}/0/undo").status == 405
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert page.raw(method, f"/{TOKEN}/0/undo", headers={"Origin": page.origin}).status == 403
    assert run.stored_acts() == []


def test_a_form_that_the_page_does_not_send_is_refused(page: Served, run: ReviewedRun) -> None:
    fields = approval(run)
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json", None):
        assert page.post("pair/0/decide", {"Content-Type": kind}, **fields).status == 400
    own = {"Origin": page.origin, **FORM}
    path = f"/{TOKEN}/0/pair/0/edit"
    assert page.raw("POST", path, b"positive=\xff", own).status == 400
    assert page.raw("POST", path, b"positive=%FF", own).status == 400
    assert page.raw("POST", path, "&".join(f"a{i}=1" for i in range(99)), own).status == 400
    assert page.raw("POST", path, b"a=" + b"x" * (MAX_FORM_BYTES + 1), own).status == 400
    assert run.stored_acts() == []


def test_every_response_has_the_strict_headers(page: Served) -> None:
    paths = ("0/", "0/pair/0", "0/pair/99", "9/", "static/review.css", "static/nothing", "nowhere", "")
    answers = [page.raw("GET", f"/{TOKEN}/{path}") for path in paths]
    for answer in [*answers, page.raw("GET", "/"), page.raw("GET", f"/{TOKEN}/0/", headers={"Host": "evil.example"})]:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        assert "set-cookie" not in answer.headers


def test_only_the_four_static_files_are_served(page: Served) -> None:
    for name in ("../app.py", "..%2Fapp.py", "%2e%2e/app.py", "....//app.py", "/etc/passwd", "review.css%00"):
        assert page.raw("GET", f"/{TOKEN}/static/{name}").status == 404
    assert page.raw("GET", f"/{TOKEN}/static/htmx.min.js").status == 200


def test_the_page_has_no_inline_script_and_no_external_address(page: Served) -> None:
    text = page.get().text + page.get("pair/0").text + page.get("apply").text + page.get("unflagged").text
    assert "<script>" not in text
    assert " on" + "click" not in text
    assert "style=" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_only_the_given_host_names_are_accepted() -> None:
    guard = SecurityMiddleware(lambda scope, receive, send: None, "t", {"lab.example"})  # type: ignore[arg-type,return-value]
    assert all(map(guard._is_allowed_host, ("lab.example", "lab.example:80", "localhost:1", "[::1]")))
    assert not any(map(guard._is_allowed_host, ("other.example", "lab.example:x", "x.lab.example", ":80", "[::2]")))


def test_loopback_addresses_are_recognized() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("8.8.8.8", "::", "10.0.0.1", "localhost.evil.example", "", "127.1.evil")))


def test_tokens_are_unique() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32
