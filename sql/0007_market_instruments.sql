-- What a venue trades, over time: one row for each period in which a symbol meant the same thing and was described alike.

create table market.instruments (
    venue text not null,
    symbol text not null,
    valid_from timestamptz not null,
    venue_symbol text not null,
    base text not null,
    quote text not null,
    type text not null,
    tick_size double precision,
    lot_size double precision,
    status text not null,
    listed_at timestamptz,
    delisted_at timestamptz,
    valid_to timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, valid_from),
    constraint instruments_status_known check (status in ('trading', 'halted', 'gone')),
    constraint instruments_valid_not_reversed check (valid_from < valid_to),
    constraint instruments_listing_not_reversed check (listed_at < delisted_at)
);

comment on table market.instruments is
    'One market of a venue for as long as its symbol meant the same and its description held.';
comment on column market.instruments.venue is 'Exchange, by its ccxt id';
comment on column market.instruments.symbol is 'Market, by its unified ccxt symbol';
comment on column market.instruments.valid_from is 'From when this row describes the symbol [UTC]';
comment on column market.instruments.venue_symbol is 'The venue''s own name of the market';
comment on column market.instruments.base is 'Currency that is traded';
comment on column market.instruments.quote is 'Currency that it is priced in';
comment on column market.instruments.type is 'spot, swap, future or option';
comment on column market.instruments.tick_size is 'Smallest step of the price [quote currency]';
comment on column market.instruments.lot_size is 'Smallest step of the amount [base currency]';
comment on column market.instruments.status is 'trading, halted or gone (no longer in the venue''s list)';
comment on column market.instruments.listed_at is 'When trading began: the venue''s word, else the open of its first bar; null where it lies before what the venue serves [UTC]';
comment on column market.instruments.delisted_at is 'End of the last bar before trading ended; null while it trades [UTC]';
comment on column market.instruments.valid_to is 'Until when this row describes the symbol; null for the present one [UTC]';
comment on column market.instruments.source is 'Where the row came from: provider and how it was asked';
comment on column market.instruments.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.instruments.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.instruments');
end
$$;
