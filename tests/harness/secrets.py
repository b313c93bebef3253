"""The secrets that all tests use, and the search for them in any form in which they may leak.

They look random and occur nowhere else, so a secret in an output is a leak.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

# Contains characters that URLs, JSON and HTML encode differently.
TEST_PASSWORD = 'pW7&kR%2+zü xV9#tL4m'
# In the forms that the services issue.
TEST_TOKEN = '9f41c07be5d2a86340bb17ce5a90d3f2'
TEST_USER_TOKEN = 'bfu_Q4xN8sVw2LkT7yZc1RmH6dJp9GfE3aBo'
TEST_HARDCOVER_TOKEN = 'hc_pat_5uYb1WqE8rKz3NvX6mDs9TgLc2HjP4oA'
TEST_BOOKLORE_PASSWORD = 'bL3/nQ8?vS=5 jF1äK6w'
TEST_BOOKLORE_TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXN0ZXIifQ.xT4pW9cK2mVb7RzN1sYq6LdG8hJf3EoA5uXi0BvQwCk'
TEST_DEVICE_CODE = 'dc-6Zt2Kp9Wm4Xr7Vb1Nq8Ys3Lf5Hd'

ALL = (
    TEST_PASSWORD,
    TEST_TOKEN,
    TEST_USER_TOKEN,
    TEST_HARDCOVER_TOKEN,
    TEST_BOOKLORE_PASSWORD,
    TEST_BOOKLORE_TOKEN,
    TEST_DEVICE_CODE,
)


@functools.cache
def forms(secret: str) -> set[bytes]:
    """The forms in which a secret may appear in a file: plain, in a URL, in JSON, in a repr, in base64."""
    raw = secret.encode('utf-8')
    written = {raw, secret.encode('utf-16-le'), secret.encode('latin-1')}
    for text in (
        quote(secret),
        quote(secret, safe=''),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        ascii(secret)[1:-1],
    ):
        written.add(text.encode('ascii'))
    # In a longer base64 text a secret starts at one of three offsets. Its first and last characters depend on the
    # neighboring bytes.
    for offset in range(3):
        encoded = base64.b64encode(b'\0' * offset + raw)
        written.add(encoded[-(-offset * 8 // 6) : len(encoded) - 4])
    return written


def leaks(data: bytes, secrets: Iterable[str]) -> list[str]:
    """The first characters of the secrets that the data contains in any form."""
    return sorted(f'{secret[:6]}...' for secret in secrets if any(form in data for form in forms(secret)))
