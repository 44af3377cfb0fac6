"""What can be done: every change that is asked for, checked once for REST, the command line and Python.

Each action takes the transaction first; it refuses with an error of ``rota.errors`` before anything is stored.
"""
