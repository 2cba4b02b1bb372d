"""Opaque credentials become short JWTs, and what such a JWT is worth here and now.

`subject` says what a JWT tells of a caller, `minting` signs it, `own_jwts` verifies it. `token` is the
exchange over HTTP (RFC 8693), `introspection` the question whether a token still holds (RFC 7662); both speak
OAuth: `forms` and `oauth`. The keys live in `apiserver.signing`, the exchange at a proxy in `apiserver.edge`.
"""
