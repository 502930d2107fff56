"""The evaluation protocols behind published FIDs, as data.

FIDs are comparable only if they were computed the same way. Each protocol defines one such way.
"""

from dataclasses import dataclass
from typing import Literal

from balancing_vae.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """How images are converted to the feature network's input, and which images are used.

    All four protocols below use the Inception network of 2015-12-05 and its layer
    `pool_3`. To define your own protocol, make another instance with another name:
    `dataclasses.replace(PROTOCOLS["ttur"], name="mine", quantization="none")`.

    Attributes:
        name: The name that is printed and stored with every number.
        resize: `tf1_bilinear` (no half-pixel centres, no antialiasing) or `pil_bicubic`
            (Pillow's, antialiased, in floating point, clipped to 0..255), to 299 x 299.
        center: Subtracted from pixel values in 0..255.
        scale: Divisor of the result.
        quantization: Treatment of floating-point images: `none`, `truncate` to 8 bits
            (`uint8(255 x)`), or `round` to the nearest of the 256 levels. Images that are
            already uint8 are not changed.
        batch_size: The protocol's original program uses batches of this many images and drops
            an incomplete last batch (unless it is the only one). None: it keeps every image.
            The batch size of the network here is independent of it and has no effect.
        stretch: Whether each generated image is stretched to its own minimum..maximum.
        ddof: The covariance divides by n - `ddof`.
        source: The program and the paper of the protocol.
    """

    name: str
    resize: Literal["tf1_bilinear", "pil_bicubic"]
    center: float
    scale: float
    quantization: Literal["none", "truncate", "round"]
    batch_size: int | None
    stretch: bool
    ddof: int
    source: str

    def used(self, count: int) -> int:
        """Return how many of `count` images, from the first, are used for the statistics.

        Args:
            count: Number of images.

        Returns:
            `count`, without the incomplete last batch if the protocol drops it.

        Example:
            ```python
            PROTOCOLS["asperti2020"].used(10_000)  # 9984
            ```
        """
        if self.batch_size is None or count < self.batch_size:
            return count
        return count - count % self.batch_size


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="asperti2020",
            resize="tf1_bilinear",
            center=127.5,
            scale=127.5,
            quantization="none",
            batch_size=64,
            stretch=False,
            ddof=1,
            source="Asperti 2020, arXiv:2002.09860; the FID helper of asperti/BalancingVAE",
        ),
        Protocol(
            name="dai2019",
            resize="tf1_bilinear",
            center=128.0,
            scale=128.0,
            quantization="none",
            batch_size=50,
            stretch=True,
            ddof=1,
            source="Dai & Wipf 2019, arXiv:1903.05789; fid_score.py of daib13/TwoStageVAE",
        ),
        # The original program reads image files, which have 8 bits. Ghosh et al. 2020, whose
        # numbers use this protocol, write theirs by truncation.
        Protocol(
            name="ttur",
            resize="tf1_bilinear",
            center=128.0,
            scale=128.0,
            quantization="truncate",
            batch_size=50,
            stretch=False,
            ddof=1,
            source="Heusel et al. 2017, arXiv:1706.08500; fid.py of bioinf-jku/TTUR",
        ),
        Protocol(
            name="clean",
            resize="pil_bicubic",
            center=128.0,
            scale=128.0,
            quantization="round",
            batch_size=None,
            stretch=False,
            ddof=1,
            source="Parmar et al. 2022, arXiv:2104.11222; mode 'clean' of GaParmar/clean-fid",
        ),
    )
}


def get_protocol(protocol: str | Protocol) -> Protocol:
    """Return the protocol of that name.

    Args:
        protocol: One of `asperti2020`, `dai2019`, `ttur`, `clean`, or a `Protocol`, which is
            returned unchanged.

    Returns:
        The protocol.

    Raises:
        ValueError: The protocol is unknown; the message lists all.

    Example:
        ```python
        get_protocol("ttur").batch_size  # 50
        ```
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(
            f"There is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol]
