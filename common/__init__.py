"""The leaf that both servers stand on: clock, randomness, tasks, settings, JWTs, problems, logs.

It imports nothing of ours. What only one server needs lives in that server; who may call a route is
declared with `common.routing` and decided in `bff` and `apiserver`.
"""
