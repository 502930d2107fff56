"""A short summary of a pipeline: stages, loss weights, gamma, samplers and normalisation."""

from balancing_vae.figures.tables import Table
from balancing_vae.pipeline.stale import stale_parts


def summary(vae) -> str:
    """Return a text summary of a pipeline's parts and of its training.

    Args:
        vae: A `TwoStageVAE`.

    Returns:
        A title line, and one line each for the stages, the samplers and the normalisation.
    """
    lines = [
        f"  stage {row['stage']}: {row['network']}; {row['latents']} latents; "
        f"{row['parameters']:,} parameters; {row['balancing']}; {row['epochs']} epochs trained"
        for row in _stages(vae)
    ]
    return "\n".join([_title(vae), *lines, *(f"  {line}" for line in _rest(vae))])


def html_summary(vae) -> str:
    """Return the summary as an HTML table for notebooks.

    Args:
        vae: A `TwoStageVAE`.
    """
    return f"<code>{_title(vae)}</code>" + Table.of(_stages(vae), "\n".join(_rest(vae))).html()


def _title(vae) -> str:
    return f"TwoStageVAE({vae.config.preset or 'own config'}, images {vae.config.image_shape})"


def _stages(vae) -> list[dict]:
    config = vae.config
    second = config.second_network and config.second_network["name"]
    networks = {
        "stage1": config.network["name"],
        "stage2": second or f"latent, {config.second_depth} x {config.second_dim}",
    }
    return [
        {
            "stage": int(name[-1]),
            "network": networks[name],
            "latents": stage.latent_dim,
            "parameters": stage.count_params(),
            "balancing": stage.describe(),
            "epochs": stage.trained_epochs,
        }
        for name, stage in vae.stages.items()
    ]


def _rest(vae) -> list[str]:
    first, second = vae.config.samplers
    stale = stale_parts(vae)
    normalization = vae.latent_normalization
    return [
        *([f"weights: {vae.source}"] if vae.source else []),
        *(["stage 2: none"] if vae.stage2 is None else []),
        f"samplers: GEN-1 {first}, GEN-2 {second}; fitted: {', '.join(vae.fitted_samplers) or '-'}",
        f"normalisation: {'not fitted' if normalization is None else normalization.mode}",
        *([f"stale, because a stage was trained later: {', '.join(stale)}"] if stale else []),
    ]
