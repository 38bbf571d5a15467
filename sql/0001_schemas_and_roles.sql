-- Schemas, and the two roles that people and programs are given. Both roles belong to the whole server and are shared by
-- all its databases. Where the migrating user may not create roles (some managed servers), a notice is raised and the
-- grants are left to the administrator; everything else works.

create schema if not exists market;
create schema if not exists dex;
create schema if not exists macro;
create schema if not exists onchain;
create schema if not exists sentiment;
create schema if not exists features;
create schema if not exists quality;
create schema if not exists audit;
create schema if not exists ops;

comment on schema market is 'What exchanges publish: instruments, bars, trades, books, tickers';
comment on schema dex is 'Decentralised exchanges: pools, their bars and trades';
comment on schema macro is 'Macroeconomic series, by vintage';
comment on schema onchain is 'What blockchains publish: activity and fees';
comment on schema sentiment is 'News and what models make of it';
comment on schema features is 'Derived columns for models';
comment on schema quality is 'Scores, gaps and refused rows';
comment on schema audit is 'Old values of changed rows';
comment on schema ops is 'How collecting is going, and the bookkeeping of migrations';

do $$
declare
    wanted text;
begin
    foreach wanted in array array['crypto_assets_reader', 'crypto_assets_writer'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            begin
                execute pg_catalog.format('create role %I nologin', wanted);
            exception
                -- Another database of this server was faster.
                when duplicate_object or unique_violation then null;
                when insufficient_privilege then
                    raise notice 'role % was not created: % may not create roles', wanted, current_user;
            end;
        end if;
    end loop;
end
$$;

-- Reader: reads everything. Writer: reads everything, and changes rows (no tables) outside audit, which only triggers fill.
do $$
declare
    place text;
begin
    foreach place in array array['market', 'dex', 'macro', 'onchain', 'sentiment', 'features', 'quality', 'audit', 'ops'] loop
        if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_reader') then
            execute pg_catalog.format('grant usage on schema %I to crypto_assets_reader', place);
            execute pg_catalog.format('alter default privileges in schema %I grant select on tables to crypto_assets_reader', place);
        end if;
        if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
            execute pg_catalog.format('grant usage on schema %I to crypto_assets_writer', place);
            execute pg_catalog.format('alter default privileges in schema %I grant select on tables to crypto_assets_writer', place);
            if place <> 'audit' then
                execute pg_catalog.format(
                    'alter default privileges in schema %I grant insert, update, delete on tables to crypto_assets_writer', place);
            end if;
        end if;
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        -- Writing goes through a temporary table.
        execute pg_catalog.format('grant temporary on database %I to crypto_assets_writer', pg_catalog.current_database());
    end if;
end
$$;
