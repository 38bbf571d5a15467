"""How good or bad headlines sound (asset sentiment/scores, table sentiment.scores; by the hour sentiment.hourly).

One row is what one version of one scorer makes of one headline. Grain: item of news, asset that it names (empty for one
about the market as a whole), scorer, version. Source: sentiment/news, scored here: by VADER's rules with words of crypto, and
by transformers where the universe lists them.

The headline is scored, not the summary: all that thresholds were tried on is headlines. A score counts as known from when it
was made, so one made today of last year's news is in no feature of last year.

Caveats: another version of a scorer adds rows; readers take the first. A headline that is rewritten keeps the score of what
it said when it was scored (title_key tells which). The lexicon's probabilities are shares of words and not calibrated; it
does not understand irony, questions or who gains by what. An item that names several assets has the same score for each.
"""
