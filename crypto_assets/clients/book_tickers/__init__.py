"""Best prices as venues stream them: one file a venue's format, one for the sockets."""
