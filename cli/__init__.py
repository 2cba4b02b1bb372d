"""The `doorward` command: the login of a person, what they look after, and this machine as a device.

It speaks HTTP only: `client` is the only HTTP, `replies` what answers mean, `api`, `user_api`, `own_device`
and `provider` what is asked. `login`, `access` and `enrollment` are the flows, `keep` and `device_keep` the
disk, `output` the terminal, `errors` the exit codes; `main` and the `*_commands` are the commands. Nothing of
`bff` or `apiserver` is imported.
"""
