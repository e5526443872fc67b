"""The simulated world: two venues, one account, the broker's server and its Windows control.

The core (`book`, `exchange`, `account`, `broker`, `world`) is pure: time and randomness are inputs.
`server` drives it by the wall clock in a process that outlives the gateway; `control` is the
emulated OpenAPI+ control in front of it, so that the gateway's Qt code runs against either.
"""
