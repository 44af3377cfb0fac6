"""Reads what other schedulers keep, and says it in Rota's words.  Nothing of what is read is executed or expanded."""
