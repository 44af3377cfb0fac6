"""What other schedulers' users call, done by Rota."""
