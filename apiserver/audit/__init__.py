"""The audit chain: who did what to what, from where.

`chain` links the events of a tenant by HMAC and finds where a chain was broken. Events are written by the
storage in the transaction of their deed.
"""
