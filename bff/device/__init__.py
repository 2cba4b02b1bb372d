"""Device mode: command lines are told where to log in, and keep their tokens themselves."""
