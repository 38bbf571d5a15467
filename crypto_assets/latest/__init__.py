"""The newest of everything in Redis: what is written there, under which keys, for how long, and how it is read.

What belongs here: values, keys, lives, telling and asking. What does not: where values come from (stream/, datasets/) and what
is read where Redis has nothing (client/).

Nothing here knows Dagster or SQL, and nothing imports Redis' driver before it is used: without an address of a Redis nothing
happens at all.
"""
