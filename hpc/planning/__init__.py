"""What a run costs and how long it takes, before it is started: pure functions on figures, without boto3."""
