"""Constants that the handlers, the stack and the command share: pure data, imported by all three.

`hpc/contract` and `hpc_stack/contract` are links to this folder, so that neither package needs one named `lambdas`
when it is installed.  Modules here import nothing of the project.
"""
