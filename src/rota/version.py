"""The version of Rota."""

__version__ = "0.1.0"
