"""The command line: one file a noun, loaded only when its command is used."""
