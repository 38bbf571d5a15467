"""Best prices over WebSockets as venues stream them: one file a venue's format, one for quotes, one for a connection."""
