"""Data card: models.predictions.

A row is what the champion of a forecast said at one decision about one market, pool or chain: the middle, the tenth and the
ninetieth percentile, and what the best baseline said. All four are logarithms of the quantity at the horizon's end over its
value at the decision, so `level_now * exp(yhat)` is the forecast value.

- Source: the champion of models.registry over the newest features and tables; live on each closed bar and each report of the
  stream, in batches for months.
- Grain: forecast × domain × series × decision.
- Known: when it was computed, never before its version was trained.
- Caveats: a row of a decision that its version learned from says so in `is_out_of_sample`; scores leave it out.
"""
