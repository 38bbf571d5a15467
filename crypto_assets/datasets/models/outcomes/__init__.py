"""Data card: models.outcomes.

A row is the truth about one prediction once its horizon has ended, with the errors of the forecast and of the baseline beside
each other. A prediction whose truth is not known yet has none.

- Source: models.predictions and the tables that the quantities stand in.
- Grain: forecast × domain × series × decision, as models.predictions.
- Known: when both the truth and the prediction were known.
- Caveats: predictions within the sample of their version have outcomes, too, and say so; leave them out of scores.
"""
