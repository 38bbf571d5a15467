-- Fails where the server does not have the extension; nothing of the other files is kept then.

create extension if not exists timescaledb;
