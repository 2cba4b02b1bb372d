"""What stands beside Doorward: a service that verifies its JWTs, a file of routes. See README.md."""
