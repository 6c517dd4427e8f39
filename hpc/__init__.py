"""What a person types: every command is a plain boto3 client, of AWS or of the server on this machine."""
