"""Secrets that are handed out, and registration tokens.

`secret` mints and parses every secret of ours; `registration_token` says what a registration token is, may
do and forces; `changes` how it may be narrowed; `name_pattern` and `rate` are two of its limits. `lifecycle`
holds what people do with one, `handlers` and `listing` that over HTTP. Who is let in with a secret is decided
in `apiserver.auth`; what a device becomes, in `apiserver.devices`.
"""
