"""A contact sheet: originals, reconstructions, samples plain beside normalised."""

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
        columns: Images in a row.
        seed: Seed of the noise; plain and normalised samples come from the same draws.

    Returns:
        Images, float [columns, D, D, C] in [0, 1], by the title of their row. Normalised
        samples are rescaled within a whole batch and then cut to `columns`.

    Example:
        ```python
        draw_images(contact_sheet(vae, x_test)).savefig("sheet.png")
        ```
    """
    rows = {
        "data": vae.without_padding(as_float(x[:columns])),
        "reconstruction": vae.reconstruct(x[:columns], seed=seed),
        "stage 1, plain": vae.generate(columns, stage=1, normalize=False, seed=seed),
        "stage 1, normalised": vae.generate(columns, stage=1, normalize=True, seed=seed),
    }
    # More than a row of stage 2, since that is what the whole is for.
    plain = vae.generate(3 * columns, stage=2, normalize=False, seed=seed)
    normalized = vae.generate(3 * columns, stage=2, normalize=True, seed=seed)
    for i in range(3):
        rows[f"stage 2, plain ({i + 1})"] = plain[i * columns : (i + 1) * columns]
        rows[f"stage 2, normalised ({i + 1})"] = normalized[i * columns : (i + 1) * columns]
    return rows
