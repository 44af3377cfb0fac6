"""What executes jobs: one file per kind of target, with its helpers beside it."""
