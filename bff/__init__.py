"""The agent: browsers log in here and get a cookie, command lines are told where to log in.

`login` (from /login/start to a session), `session` (records, refresh, end), `device` (device mode),
`proxy` (the proxied request). `routes.py` is the whole surface, `app.py` joins the parts. What the API
answers lives in `apiserver`, which never imports this package.
"""
