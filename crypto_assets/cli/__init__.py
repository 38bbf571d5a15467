"""The `crypto-assets` command: one file a group of commands, nothing that another layer could hold."""
