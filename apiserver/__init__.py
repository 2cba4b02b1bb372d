"""The API server behind the door: it takes users by the provider's JWT and keeps their tenants.

`app` joins everything and is the only module that knows a concrete storage; `routes` is the whole surface.
`auth` says who calls and whether they may, `tenants` holds users, tenants and the first login, `storage`
keeps them. Sessions and cookies live in `bff`: nothing here reads a cookie.
"""
