"""Devices: registered machines.

`device` says what a device is, its states and what may follow; `names` what it may be called and labelled;
`keys` which public keys are taken; `sealing` how a device token comes back to the holder of the private key.
`steps` does to many devices what is done to all of a set.
Which token let it join lives in `apiserver.tokens`, its addresses in `apiserver.networks`.
"""
