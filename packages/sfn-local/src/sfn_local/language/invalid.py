"""The error of a definition that can't run, with its place."""


class InvalidDefinition(Exception):  # noqa: N818  AWS's own name for it
    """A definition is refused.

    Attributes
    ----------
    place : str
        JSON pointer to what is wrong: ``/States/Map/ItemReader/Foo``.
    reason : str
        What is wrong, what was given, what is allowed.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place or '/'}: {reason}")
        self.place = place
        self.reason = reason
