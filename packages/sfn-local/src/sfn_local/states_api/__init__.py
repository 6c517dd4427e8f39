"""The Step Functions API: one module a group of actions."""
