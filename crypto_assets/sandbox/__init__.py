"""A loopback server that speaks the providers' wire formats, from a seeded market or recordings, with faults on demand.

It proves that the clients fit together with the formats, not what a venue would say: recorded payloads do that.
"""
