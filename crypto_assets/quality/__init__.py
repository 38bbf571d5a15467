"""How good the data is: checks, scores and the report that reads them."""
