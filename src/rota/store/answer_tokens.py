"""Tokens with which the target of an attempt may answer later.

A token is made of a key that only the worker has: so the claim stores its hash, and nothing more need be stored before
the request goes out.  A target may answer before its 202 has arrived.
"""

from __future__ import annotations

import hashlib

# Of a row that is being claimed, whose attempt is not counted yet.
HASH = """CASE WHEN lane = 'http' THEN
  {pg|encode(sha256(convert_to(encode(sha256(convert_to(
    CAST(:answer_key AS text) || ':' || CAST(id AS text) || ':' || CAST(attempt + 1 AS text), 'UTF8')), 'hex'),
    'UTF8')), 'hex')}
  {lite|rota_answer_hash(:answer_key, id, attempt + 1)} END"""


def token(key: str, job_id: str, attempt: int) -> str:
    """Return the token of an attempt."""
    return digest(f"{key}:{job_id}:{attempt}")


def token_hash(key: str, job_id: str, attempt: int) -> str:
    """Return what is stored of it."""
    return digest(token(key, job_id, attempt))


def digest(text: str) -> str:
    """Return the hash of a token, whoever sent it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
