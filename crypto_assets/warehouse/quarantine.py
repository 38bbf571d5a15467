# STAND-IN until the real one is written; overwrite it.
from dataclasses import dataclass
import json, hashlib
@dataclass(frozen=True)
class Refused:
    reason: str; payload: object
def quarantine(connection, *, dataset, venue, symbol, timeframe, items):
    with connection.cursor() as cur:
        for i in items:
            p=json.dumps(i.payload,default=str); h=hashlib.sha256((i.reason+p).encode()).hexdigest()
            cur.execute("insert into quality.quarantine (dataset,venue,symbol,timeframe,reason,payload,payload_hash) values (%s,%s,%s,%s,%s,%s,%s) on conflict (dataset,venue,symbol,timeframe,payload_hash) do update set occurrences=quality.quarantine.occurrences+1,last_seen_at=now()",(dataset,venue,symbol,timeframe,i.reason,p,h))
    return len(items)
