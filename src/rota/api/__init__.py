"""The REST API: FastAPI over the actions, with access checked before anything is parsed."""
