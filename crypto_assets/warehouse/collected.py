# STAND-IN until the real one is written; overwrite it.
def read_collected(connection, dataset, venue, symbol, timeframe):
    with connection.cursor() as cur:
        cur.execute("select lower(s),upper(s) from (select unnest(collected) s from ops.collected_ranges where dataset=%s and venue=%s and symbol=%s and timeframe=%s) x order by 1",(dataset,venue,symbol,timeframe))
        return [tuple(r) for r in cur.fetchall()]
def mark_collected(connection, dataset, venue, symbol, timeframe, start, end):
    with connection.cursor() as cur:
        cur.execute("insert into ops.collected_ranges as r (dataset,venue,symbol,timeframe,collected) values (%s,%s,%s,%s,tstzmultirange(tstzrange(%s,%s))) on conflict (dataset,venue,symbol,timeframe) do update set collected=r.collected+excluded.collected, updated_at=now()",(dataset,venue,symbol,timeframe,start,end))
def missing_spans(a,b,collected):
    out=[]; at=a
    for s,e in sorted(collected):
        if e<=at: continue
        if s>=b: break
        if s>at: out.append((at,s))
        at=max(at,e)
    if at<b: out.append((at,b))
    return out
