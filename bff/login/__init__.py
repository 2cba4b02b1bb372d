"""From `/login/start` to a session: transactions, return addresses, the provider's answers.

What happens after the session exists (refresh, logout) lives in `bff.session`.
"""
