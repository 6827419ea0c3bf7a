"""The browser behind a session, in words that somebody recognises as their own.

Belongs here: reading a `User-Agent` header, pure. Does not belong here: sessions (`sessions`) and their page.

The header is free text that every browser fills with the names of others, so the order of the names matters: Edge and
Opera also say Chrome, and Chrome says Safari (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/User-Agent).
"""

from __future__ import annotations

from collections.abc import Mapping

_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def browser_words(user_agent: str) -> str:
    """`Chrome on Linux`; what is no known browser is called as its header begins, nothing `unknown`."""
    browser = _first(_BROWSERS, user_agent) or user_agent.partition("/")[0].strip()[:40]
    system = _first(_SYSTEMS, user_agent)
    if not browser:
        return "unknown"
    return f"{browser} on {system}" if system else browser


def _first(names: Mapping[str, str], text: str) -> str:
    return next((said for name, said in names.items() if name in text), "")
