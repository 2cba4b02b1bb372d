"""The keys that sign our JWTs.

`key` says what a key is and when it signs, `sealing` how its private half is kept, `ring` which keys this
server has open, `rotation` how they are made, followed and withdrawn. `jwks` publishes them, `operator` is
what the operator asks on the private listener. What is signed with them lives in `apiserver.exchange`.
"""
