"""Browsers by the headers that they send."""

from __future__ import annotations

import pytest

from emma_platform.web.auth.browsers import browser_words

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {KIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {KIT} HeadlessChrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 10; K) {KIT} Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/140.0 Safari/537.36 OPR/120.0", "Opera on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on macOS"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {KIT} Version/18.6 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("x" * 100, "x" * 40),
        (" ", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_header_is_said_in_a_few_words(user_agent: str, said: str) -> None:
    assert browser_words(user_agent) == said
