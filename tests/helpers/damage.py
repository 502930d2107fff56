"""Random damage to files, for the fuzz tests."""

from hypothesis import strategies as st


def damage(content: bytes, data) -> bytes:
    """Cut a file short, or overwrite some of its bytes."""
    if data.draw(st.booleans(), label="truncate"):
        return content[: data.draw(st.integers(0, len(content) - 1), label="length")]
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    garbage = data.draw(st.binary(min_size=1, max_size=64), label="garbage")
    return content[:place] + garbage + content[place + len(garbage) :]
