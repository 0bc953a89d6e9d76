"""What LocalStack lacks to run Rialto without Docker."""
