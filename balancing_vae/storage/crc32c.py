"""CRC-32C (Castagnoli), the checksum in TensorFlow's files, vectorised."""

import numpy as np

POLYNOMIAL = 0x82F63B78
MOST_LANES = 2**14


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes, masked in the way in which LevelDB and TensorFlow store it.

    Args:
        data: Any bytes.

    Returns:
        The masked checksum, of 32 bits.

    Example:
        ```python
        masked_crc32c(block) == stored
        ```
    """
    crc = _crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc32c(data: bytes) -> int:
    # The data are divided into lanes of equal length, and the lanes' remainders from state 0 are
    # computed in parallel. The remainder is linear in the state, so 32 more lanes of zeros, one
    # per bit, give the effect of a lane's length on each bit of the state.
    count = min(1 + len(data) // 64, MOST_LANES)
    length = len(data) // count
    lanes = np.frombuffer(data, np.uint8, count * length).reshape(count, length)
    columns = np.pad(np.ascontiguousarray(lanes.T), ((0, 0), (0, 32)))
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    states = _advance(np.concatenate([np.zeros(count, np.uint32), bits]), columns)
    remainders, effects = states[:count].tolist(), states[count:].tolist()
    state = 0xFFFFFFFF
    for remainder in remainders:
        for bit, effect in enumerate(effects):
            if state >> bit & 1:
                remainder ^= effect
        state = remainder
    rest = np.frombuffer(data, np.uint8, offset=count * length)[:, None]
    return int(_advance(np.array([state], np.uint32), rest)[0]) ^ 0xFFFFFFFF


def _advance(states: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the states after processing the rows in order, one byte of each column per row."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(POLYNOMIAL), table >> 1)
    for row in columns:
        states = table.take(states.astype(np.uint8) ^ row) ^ states >> 8
    return states
