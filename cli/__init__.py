"""The `doorward` command: logs a person in by the device flow (RFC 8628) and keeps the credentials on disk.

It speaks HTTP only. `client` is the only HTTP, `api` and `provider` are what is asked over it, `login` and
`access` are the two flows, `keep` is the disk, `output` the terminal, `errors` the exit codes, `main` the
commands. What the answers mean is decided by the servers: nothing of `bff` or `apiserver` is imported.
"""
