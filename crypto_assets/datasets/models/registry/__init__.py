"""Data card: models.registry.

A row is one trained version of one forecast (gas_4h): who learned it from which data, how it did against the best baseline when
walked forward, where its artefact lies, and whether it is candidate, champion or retired. At most one version of a forecast is
champion. models.promotions tells who made it so, when and why.

- Source: our own training over what is stored; the artefact's files lie in the model store, found and checked by their hash.
- Grain: forecast × version, counted from 1.
- Known: when the training ended; nobody could have used a version before.
- Caveats: a version without skill is registered as such, with its figures, and never promoted by rule.
"""
