"""Forward-auth and ext_authz over HTTP: a proxy asks who calls, and is told in headers that it passes on.

`credentials` finds the one credential of a request, `asked` what the proxy asks, `authz` answers. Served on
the private listener alone, since its answers carry tokens. Cookies are the agent's (`bff`).
"""
