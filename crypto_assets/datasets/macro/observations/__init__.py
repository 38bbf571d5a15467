"""Macroeconomic series by vintage, and the daily price of gold (asset macro/observations, table macro.observations).

One row is what a period's value was said to be from one day (realtime_start) to another (realtime_end, null while it is in
force): a first release and each revision are rows of their own, so that any past moment's knowledge can be read
(read.macro_as_of). Grain: series, period, vintage. Sources: FRED with ALFRED's vintages, which needs a free key
(CRYPTO_ASSETS_FRED_API_KEY); without one a run says so and collects gold alone. Gold is the daily close of PAXG, a token for
one fine troy ounce, on Kraken, without a key: FRED lost the LBMA's prices in 2022.

A month of the grid holds the vintages that became known in it. Its run collects all vintages known before its end of the
periods since lead_days (400) before it; the open month's run reaches history_days (730) back, and follows every period that
is stored, since it may be revised. macro.series tells what a series is and how new what we have of it is.

known_at: the series' hour of release in New York where the universe states one (08:30 for the Bureaus of Labor Statistics
and of Economic Analysis) and FRED's calendar has a release on that day, else the end of the vintage's day in New York. A
vintage that the calendar does not know is kept, known at the end of its day, and told as a warning. What FRED has, but what
is not known yet by this rule, waits for a later run: live rows equal those of a backfill.

Caveats: FRED's vintages are days, and begin when FRED began to follow a series: an older period's first vintage may be years
younger than its publication. Series of others (VIX of Cboe, for one) have their owners' terms, and FRED's terms of use hold
for all. The dollar index is DTWEXBGS, the broad trade-weighted one; ICE's DXY is not on FRED. PAXG can stray from the
metal's price.
"""
