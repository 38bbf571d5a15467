"""News of crypto assets (asset sentiment/news, tables sentiment.news, sentiment.news_assets, sentiment.news_sightings).

One row is one item of one publisher, by its canonical URL; its assets and the other publishers that carried it are rows of
their own. Sources: the RSS and Atom feeds of the universe, and CryptoPanic where there is a key. Headlines, summaries and
links belong to their publishers: they are kept for research here, not to be published again.

known_at is when we first saw the headline as it stands. Publishers date items back and forth, so published_at is what they
say and no more: it is null where they say nothing, or a time that lies ahead or before 2009 (the quarantine has what they
said). A headline that changes under the same URL rewrites the row: first_seen_at stays, known_at becomes the time of the
change, and audit.revisions keeps what it was. A changed summary alone rewrites nothing. The same headline by another
publisher within 48 hours is the same story: a sighting of the first item and no row of its own.

Feeds tell only of now: a run for a day that is over stores nothing and says so, and what was published while nobody collected
is missing for good. Assets are told by words (tagging.py); what an item has once been tagged with stays. Of other assets than
those of the universe's dictionary nothing is known; once added there, they are found from then on.
"""
