"""Other queues, each in a process of its own: what Rota is measured beside.  One file a peer."""
