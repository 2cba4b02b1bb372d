"""`make demo`: everything on this machine, one process a part, until Ctrl-C.

`parts` says what runs and with which settings, `crew` starts, watches and stops it, `folder` and `ports` are
what a later start finds again, `welcome` is what the person reads. The servers live in `bff` and `apiserver`,
the development provider in `deploy.provider`, the proxy's configuration in the `Caddyfile`.
"""
