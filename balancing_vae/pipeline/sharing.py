"""A pipeline on the Hugging Face Hub: its saved folder with a card and checksums."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from balancing_vae.evaluation.card_head import card_head
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.evaluation.table import measured_table
from balancing_vae.files.checksums import write_checksums
from balancing_vae.files.formats import CARD
from balancing_vae.pipeline.saving import write_pipeline
from balancing_vae.pipeline.summary import summary
from balancing_vae.pretrained import push


def push_pipeline(
    vae, name: str, measurements: Sequence[Measurement], license: str | None, private: bool
) -> str:
    """Write a pipeline to a temporary folder, and upload the folder to the Hub.

    Args:
        vae: A `TwoStageVAE`.
        name: `owner/name` on the Hub.
        measurements: Measurements of the pipeline, for the card.
        license: The Hub's identifier of the weights' licence, or None to omit it in the card.
        private: Whether a new repository is private.

    Returns:
        `hf://owner/name@commit`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pipeline(vae, folder)
        if measurements:
            write_metrics(folder, measurements)
        card = _card(vae, name.removeprefix("hf://"), measurements, license)
        (folder / CARD).write_text(card, "utf-8", "backslashreplace")
        write_checksums(folder)
        return push(folder, name, private)


def _card(vae, name: str, measurements: Sequence[Measurement], license: str | None) -> str:
    title = name.rpartition("/")[2]
    datasets = sorted({m.dataset for m in measurements if m.dataset is not None})
    paragraphs = [
        card_head(title, measurements, datasets, license),
        f"# {title}",
        f"```\n{summary(vae)}\n```",
        f"""```python
from balancing_vae import TwoStageVAE

vae = TwoStageVAE.from_pretrained("hf://{name}")
images = vae.generate(100, seed=0)
```""",
    ]
    if measurements:
        paragraphs.append(measured_table(measurements).markdown())
    return "\n\n".join(paragraphs) + "\n"
