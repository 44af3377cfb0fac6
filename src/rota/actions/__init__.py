"""What can be done: every change that a person or a program asks for, checked here once for REST, command line and Python.

Each action takes the transaction first; it refuses with an error of ``rota.errors`` before anything is stored.
"""
