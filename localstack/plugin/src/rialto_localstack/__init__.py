"""Extensions of LocalStack that run Rialto without Docker."""
