"""Users, tenants and who is in them.

Models in `users` and `tenants`, the first login in `first_login`, `handlers` and their `answers`. How they
are kept lives in `apiserver.storage`; what a token proves, in `apiserver.auth`.
"""
