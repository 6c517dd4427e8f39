"""Amazon SQS on this machine: the queues of a stack, and the API that sends to them and receives from them."""
