"""Who may come in and what he may do: roles, cookies, origin, waiting times after failures.  Pure.

Failures are counted by seat where the browser has signed in before under that name, and by name
and address otherwise.  So who guesses from elsewhere locks out himself, never an officer at work.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

Role = Literal["operator", "officer", "admin"]
ROLES: tuple[Role, ...] = ("operator", "officer", "admin")
VIEWERS: frozenset[Role] = frozenset(ROLES)
"""May look, and add a note."""
ACTORS: frozenset[Role] = frozenset(("officer", "admin"))
"""May acknowledge and close."""

BREAK_GLASS = "break-glass"
"""The sealed account: for when nobody can sign in and somebody must.  Every use of it is told."""
SEALED_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""What its password is made of: nothing that is misread on paper."""

NAME = re.compile(r"\w[\w.@-]{0,63}")
PASSWORD_MIN, PASSWORD_MAX = 12, 256
FAILURES_SEAT = 5
FAILURES_ADDRESS = 60
FORGOTTEN_MS = 15 * 60_000
"""Failures older than this count no more."""
WAIT_MS_FIRST, WAIT_MS_MAX = 30_000, 900_000
SEAT_DAYS = 180
NEXT = re.compile(
    r"/(?:incidents/[A-Za-z0-9_-]{1,64}|handovers/[A-Za-z0-9_-]{1,64}"
    r"|account|alarms|windows|proposals|roster|letters)?(?:\?[A-Za-z0-9_=&.%-]{0,512})?"
)


class Session(msgspec.Struct, frozen=True):
    """A signed-in person, as the database remembers; times in unix ms of its clock."""

    name: str
    role: Role
    form: str
    created_ms: int
    seen_ms: int

    @property
    def is_break_glass(self) -> bool:
        """Whether the seal was broken for it."""
        return self.name == BREAK_GLASS


class Sender(msgspec.Struct, frozen=True):
    """What a request says of where it comes from; '' where a header is missing."""

    host: str
    origin: str
    fetch_site: str


def session_cookie(*, is_secure: bool) -> str:
    """The cookie's name: ``__Host-`` binds it to this host, path and TLS where there is TLS."""
    return "__Host-lifeline" if is_secure else "lifeline"


def seat_cookie(*, is_secure: bool) -> str:
    """The cookie that marks a browser from which somebody signed in before."""
    return "__Host-lifeline-seat" if is_secure else "lifeline-seat"


def form_cookie(*, is_secure: bool) -> str:
    """The cookie that a form of somebody not yet signed in must repeat."""
    return "__Host-lifeline-form" if is_secure else "lifeline-form"


def cookie(name: str, value: str, *, is_secure: bool, age_s: int | None = None) -> str:
    """One Set-Cookie value.  SameSite=Lax: a link in a push must find the session."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if is_secure:
        parts.append("Secure")
    if age_s is not None:
        parts.append(f"Max-Age={age_s}")
    return "; ".join(parts)


def digest(token: str) -> bytes:
    """What the database keeps of a token."""
    return hashlib.sha256(_bytes(token)).digest()


def is_over(session: Session, now_ms: int, idle_s: float, session_h: float) -> bool:
    """Whether the session was idle too long, or is too old however busy."""
    idle_ms = now_ms - session.seen_ms
    return idle_ms > idle_s * 1000 or now_ms - session.created_ms > session_h * 3_600_000


def is_same(given: str, expected: str) -> bool:
    """Equality that takes as long for a near miss; nothing equals an empty expectation."""
    return bool(expected) and hmac.compare_digest(_bytes(given), _bytes(expected))


def is_own(sender: Sender) -> bool:
    """Whether a changing request comes from our own pages, as far as the browser tells.

    A client that is no browser sends neither header; it still needs the hidden token.
    """
    if sender.fetch_site and sender.fetch_site not in ("same-origin", "none"):
        return False
    if not sender.origin:
        return True
    try:
        return bool(sender.host) and urlsplit(sender.origin).netloc == sender.host
    except ValueError:
        return False


def own_hosts(public_url: str, listening: str) -> list[str]:
    """The names under which the console answers; under others it may be somebody's trap.

    A page of another host that resolves to us (DNS rebinding) would read our answers as its own.
    """
    named = urlsplit(public_url).hostname or ""
    bound = "" if listening in ("", "0.0.0.0", "::") else listening  # noqa: S104 (not bound here)
    plain = {host for host in ("127.0.0.1", "localhost", "::1", named.lower(), bound) if host}
    return sorted(plain | {f"[{host}]" for host in plain if ":" in host})


def safe_next(path: str) -> str:
    """Where to go after signing in: one of our own pages, and nothing else whatever was asked."""
    return path if NEXT.fullmatch(path) else "/"


def login_name(given: str) -> str:
    """The name under which somebody is known, however its letters are typed."""
    return unicodedata.normalize("NFKC", given).casefold().strip()[:64]


def name_problem(name: str) -> str:
    """Why a name cannot be used; '' when it can."""
    if not NAME.fullmatch(name) or name != login_name(name):
        return "a name is 1 to 64 lower-case letters, digits, '.', '_', '-' or '@'"
    return ""


def password_problem(name: str, password: str) -> str:
    """Why a password cannot be used; '' when it can."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters"
    if name and name in password.casefold():
        return "a password must not contain the name"
    if len(set(password)) < 5:
        return "a password needs at least five different characters"
    return ""


def attempt_keys(name: str, address: str, *, is_known_seat: bool, seat: str) -> dict[str, int]:
    """Under which keys an attempt is counted, and how many failures each may have.

    The sealed account never waits, or whoever mistypes it would keep everybody out: no guess finds
    its 148 bits, and password checks queue anyway.
    """
    if name == BREAK_GLASS:
        return {}
    if is_known_seat:
        return {f"seat:{name}|{digest(seat).hex()}": FAILURES_SEAT}
    return {f"name:{name}|{address}": FAILURES_SEAT, f"address:{address}": FAILURES_ADDRESS}


def wait_ms(failures: int, last_ms: int, now_ms: int, allowed: int) -> int:
    """How long the next attempt must wait: 30 s after the last allowed one, doubling to 15 min."""
    if failures < allowed:
        return 0
    limit_ms: int = min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** min(10, failures - allowed))
    return max(0, last_ms + limit_ms - now_ms)


def preferred(choice: str, setting: str, accept: str) -> Literal["zh", "en"]:
    """The language of a page: what was chosen, else what is set, else what the browser prefers."""
    for wish in (choice, setting):
        if wish in ("zh", "en"):
            return "zh" if wish == "zh" else "en"
    ranked: list[tuple[float, int, str]] = []
    for order, part in enumerate(accept.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), order, tag.lower()))
        except ValueError:
            continue
    for _, _, tag in sorted(ranked):
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "zh"


def security_headers(*, is_secure: bool) -> Mapping[str, str]:
    """Headers of every response, whatever it is."""
    headers = {
        "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not no-referrer: under that a browser sends `Origin: null` with our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
