"""A browser's login on our side: cookie, record, store, refresh, end, and what a session keeps open.

How a session comes to be is told in `bff.login`; how a request uses it, in `bff.proxy`.
"""
