"""The head of a model card: the YAML that the Hugging Face Hub reads."""

import json
from collections.abc import Sequence

from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measurement import with_mode

TASK = "unconditional-image-generation"
TAGS = ["keras", "vae", "variational-autoencoder", "two-stage-vae", TASK]


def card_head(
    name: str,
    measurements: Sequence[Measurement],
    datasets: Sequence[str] = (),
    license: str | None = None,
) -> str:
    """Return library, tags, datasets, licence and measured numbers in the form of the Hub.

    The numbers are means over sampling seeds. They are the distances, each with its protocol.
    If no distance was measured, they are the moments.

    Args:
        name: The model's name.
        measurements: What `read_metrics` returned.
        datasets: Names of the datasets that it was trained on.
        license: The licence of the weights in the Hub's spelling, such as "apache-2.0"; None
            leaves it out.

    Returns:
        YAML between two lines `---`. The values are JSON, which YAML includes.

    Example:
        ```python
        print(card_head("mnist", read_metrics("weights/mnist"), ["mnist"], "apache-2.0"))
        ```
    """
    lines = ["---", "library_name: balancing_vae", f"pipeline_tag: {TASK}"]
    lines += [f"license: {json.dumps(license)}"] if license else []
    lines.append(f"tags: {json.dumps(TAGS)}")
    lines += [f"datasets: {json.dumps(list(datasets))}"] if datasets else []
    return "\n".join([*lines, *_model_index(name, measurements), "---"])


def _model_index(name: str, measurements: Sequence[Measurement]) -> list[str]:
    means = [m for m in aggregate(measurements) if m.column not in (DATA, NOISE_FLOOR)]
    means = [m for m in means if m.protocol] or means
    if not means:
        return []
    means.sort(key=lambda m: (m.name, m.protocol or "", m.column, m.normalization or ""))
    lines = ["model-index:", f"- name: {json.dumps(name)}", "  results:"]
    for dataset in dict.fromkeys(m.dataset for m in means):
        about = {"name": dataset or "own images", "type": dataset or "own-images", "split": "test"}
        lines += [f"  - task: {json.dumps({'type': TASK})}", f"    dataset: {json.dumps(about)}"]
        lines.append("    metrics:")
        lines += [f"    - {json.dumps(_metric(m))}" for m in means if m.dataset == dataset]
    return lines


def _metric(mean: Measurement) -> dict:
    plain = mean.normalization is None
    label = f"{mean.column}, plain" if plain else with_mode(mean.column, mean.normalization)
    details = {
        "protocol": mean.protocol,
        "deviation": None if mean.deviation is None else _short(mean.deviation),
        "seeds": mean.repetitions,
        "real_images": mean.real_count,
        "generated_images": mean.generated_count,
    }
    return {
        "type": mean.name,
        "name": f"{label}: {mean.name}",
        "value": _short(mean.value),
        "args": {key: value for key, value in details.items() if value is not None},
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")
