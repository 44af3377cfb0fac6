"""Insight: sentences on what happens and why, made from what the store knows."""
