"""Importing this makes joblib know the backend ``hpc``: ``with joblib.parallel_config("hpc", aws=True): ...``."""

from hpc.api.joblib_backend import register

register()
