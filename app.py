"""What the CDK CLI runs; alone, ``python app.py`` writes cdk.out."""

from hpc_stack.app import main, make_app, read_context

__all__ = ["main", "make_app", "read_context"]

if __name__ == "__main__":
    main()
