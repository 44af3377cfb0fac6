"""The schema, as numbered scripts; see ``rota.store.migrate``."""
