"""Who calls, and whether they may.

`principal` has the kinds of callers, `authenticate` turns a request into one, `access` the rule that each
route declares and the guard that holds it. How a JWT is verified lives in `common.jwt`; what a user is, in
`apiserver.tenants`.
"""
