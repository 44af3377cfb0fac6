"""Rota for assistants: a server of the Model Context Protocol over the same client as the command line."""
