-- The reader, and whoever logs in as nothing but a member of it, makes nothing at all in this database: not even temporary
-- tables, which PostgreSQL allows to everybody unless told otherwise. The owner may still, and the writer by its own grant.

do $$
begin
    execute pg_catalog.format('revoke temporary on database %I from public', pg_catalog.current_database());
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        -- Writing goes through a temporary table.
        execute pg_catalog.format('grant temporary on database %I to crypto_assets_writer', pg_catalog.current_database());
    end if;
end
$$;
