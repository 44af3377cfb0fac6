"""What makes jobs run: workers, schedulers, and the loops that look after them.  It does not know the API."""
