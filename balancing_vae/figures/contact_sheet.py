"""A contact sheet: originals, reconstructions, and samples without and with normalisation."""

import numpy as np

from balancing_vae.checks import as_float

COLUMNS = 16


def contact_sheet(
    vae, x: np.ndarray, columns: int = COLUMNS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Return the rows of a contact sheet.

    Args:
        vae: A `TwoStageVAE` whose normalisation is fitted.
        x: Real images, integers in 0..255 or floats in [0, 1], at least `columns` of them.
        columns: Number of images in a row.
        seed: Seed of the noise; plain and normalised samples come from the same draws.

    Returns:
        Images, float [columns, D, D, C] in [0, 1], by the title of their row. Normalised
        samples are rescaled as a whole batch, of which `columns` are shown. If normalisation
        changes nothing, plain and normalised samples share one row, and its title says so.

    Example:
        ```python
        draw_images(contact_sheet(vae, x_test)).savefig("sheet.png")
        ```
    """
    rows = {
        "data": vae.without_padding(as_float(x[:columns])),
        "reconstruction": vae.reconstruct(x[:columns], seed=seed),
    }
    # Several rows for stage 2, because its samples are the final result.
    for stage, count in ((1, 1), (2, 3)):
        plain, normalized = (
            vae.generate(count * columns, stage=stage, normalize=normalize, seed=seed)
            for normalize in (False, True)
        )
        for i in range(count):
            number = f" ({i + 1})" if count > 1 else ""
            part = slice(i * columns, (i + 1) * columns)
            if np.array_equal(plain, normalized):
                rows[f"stage {stage}, plain = normalised{number}"] = plain[part]
            else:
                rows[f"stage {stage}, plain{number}"] = plain[part]
                rows[f"stage {stage}, normalised{number}"] = normalized[part]
    return rows
