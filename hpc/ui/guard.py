"""Access control of the page: only the browser that was given the token, from the page's own address.

Loopback is no boundary: every page that a browser has open may send requests to it, and a name that an attacker owns
may be made to lead there (DNS rebinding). So the Host header must be the page's own, so must an Origin, and the cookie
that the token was changed for must be there.
"""

import hmac
import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
READING = ("GET", "HEAD")
# A redirect would still count as a navigation from where the link was, and a strict cookie is not sent with that.
ENTERED = '<!doctype html><title>hpc ui</title><meta http-equiv="refresh" content="0;url=/">'


class Guard:
    """ASGI middleware that lets in what is the page's own.

    Parameters
    ----------
    port
        Of the page; known when the socket is bound.
    allow_changes
        Whether requests that change something pass.

    Attributes
    ----------
    token : str
        What the address that is opened in the browser has; it is changed for a cookie, and may be used again.
    """

    def __init__(self, app: ASGIApp, *, port: int, allow_changes: bool) -> None:
        self._app = app
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._allow_changes = allow_changes
        self._cookie_name = f"hpc_ui_{port}"
        self._cookie = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on; other protocols than HTTP are closed."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refusal(scope) or self._entry(scope)
        if answer is None and not self._has_cookie(Headers(scope=scope)):
            answer = PlainTextResponse("open the address that hpc ui printed: it has the token\n", 403)
        await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Refuse what comes from elsewhere, and changes where only looking is allowed."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return PlainTextResponse("this is not the host of hpc ui\n", 421)
        own = f"http://{hosts[0]}"
        is_reading = scope["method"] in READING
        origin = headers.get("origin")
        if (origin is None and not is_reading) or (origin is not None and origin != own):
            return PlainTextResponse("requests come from the page itself\n", 403)
        is_navigation = headers.get("sec-fetch-mode", "navigate") == "navigate" and is_reading
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_navigation:
            return PlainTextResponse("requests come from the page itself\n", 403)
        if not is_reading and not self._allow_changes:
            return PlainTextResponse("hpc ui only looks: start it with --allow-changes\n", 403)
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """Change the token for the cookie."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        answer = HTMLResponse(ENTERED)
        answer.set_cookie(self._cookie_name, self._cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _has_cookie(self, headers: Headers) -> bool:
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        given = next((value for name, _, value in pairs if name == self._cookie_name), "")
        return hmac.compare_digest(given.encode(), self._cookie.encode())
