"""The Crypto Fear & Greed index (asset sentiment/fear_greed, table sentiment.fear_greed).

One row is the index of one day: 0 is extreme fear, 100 extreme greed. Grain: the UTC day at whose first midnight it was
published; it tells of the days before. Source: alternative.me, free with attribution, no key.

A value counts as known an hour after midnight, or when we saw it where that was later and within two days: of older days
nobody states when they appeared. A corrected value counts as known from when we saw it; audit.revisions keeps the former.

Caveats: the index has no value for 2018-04-14 to 16 and 2024-10-26; those days stay missing. How it is made up is the
provider's affair (volatility, volume, social media, dominance, trends) and has changed: its survey part has been paused.
"""
