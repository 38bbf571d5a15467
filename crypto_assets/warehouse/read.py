# STAND-IN until the real one is written; overwrite it.
from sqlalchemy.dialects import postgresql
def read_frame(warehouse, statement):
    import pandas as pd
    c=statement.compile(dialect=postgresql.psycopg2.dialect())
    with warehouse.connect() as con, con.cursor() as cur:
        q=cur.mogrify(str(c), c.params)
    with warehouse.adbc() as a, a.cursor() as k:
        k.execute(q.decode()); return k.fetch_arrow_table().to_pandas()
