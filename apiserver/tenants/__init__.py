"""Users, tenants and who is in them.

Models in `users`, `tenants` and `invitation`; the first login in `first_login`; what is done in `lifecycle`,
`members` and `invitations`; who may do it in `membership`; HTTP in `handlers`, `listing` and their `answers`.
How they are kept lives in `apiserver.storage`; what a token proves, in `apiserver.auth`.
"""
