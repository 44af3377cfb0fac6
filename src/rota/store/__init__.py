"""The only layer that speaks SQL.  Every function takes the transaction first; the caller owns it."""
