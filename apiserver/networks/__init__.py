"""The networks of a tenant.

`addresses` says which addresses a pool has and which host number means which. Who holds one is kept by
`apiserver.storage` and decided in the transaction of a registration.
"""
