"""What is decided, as pure functions: data in, data out; no Qt, no Calibre, no network, no clock.

May import the sentences, errors and cancel flag of base.
"""
